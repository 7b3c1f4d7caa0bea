"""A link goes down: the metrics of the daemon show it, and the shipped alert fires on them."""

from pathlib import Path

import pytest

from tests.heavy.monitoring.recorded import alerts_fire
from tests.heavy.vm.inside import fabric
from tests.heavy.vm.inside.fabric import FABRIC_A, FABRIC_B, STORAGE, SoftHca
from tests.heavy.vm.inside.node import running_node
from tests.integration.daemon.scraping import LOOPBACK, Samples, free_port, shows

# STORAGE belongs to no resource: its port never alerts.
RESOURCE = {
    "resourceName": "a",
    "rdmaHcaMax": 2,
    "selectors": {"ifNames": [FABRIC_A.netdev, FABRIC_B.netdev]},
}
DOWN, ACTIVE = 1, 4  # kernel include/rdma/ib_verbs.h: enum ib_port_state
# The same file: enum ib_port_phys_state. rxe shows Disabled for a netdev that an administrator set
# down (drivers/infiniband/sw/rxe/rxe_verbs.c: rxe_query_port).
DISABLED, LINK_UP = 3, 5


def of(hca: SoftHca) -> dict[str, str]:
    return {"device": hca.name, "port": "1"}


def states(page: Samples, hca: SoftHca) -> tuple[float | None, ...]:
    names = ("port_active", "port_state_id", "port_physical_state_id")
    return tuple(page.get(name, **of(hca)) for name in names)


@pytest.mark.asyncio
async def test_a_link_that_goes_down_changes_the_metrics_and_fires_the_alert(
    tmp_path: Path,
) -> None:
    port = free_port()
    async with running_node(RESOURCE, flags=("--metrics", f"{LOOPBACK}:{port}")) as node:
        await node.lists("rdma/a", healthy=2)
        before = await shows(port, "port_active", 1, **of(FABRIC_A))
        try:
            for hca in (FABRIC_A, STORAGE):
                fabric.set_down(hca.netdev)
            await shows(port, "port_active", 0, **of(STORAGE))
            down = await shows(port, "port_active", 0, **of(FABRIC_A))
        finally:
            for hca in (FABRIC_A, STORAGE):
                fabric.set_up(hca.netdev)
        await shows(port, "port_active", 1, **of(STORAGE))
        after = await shows(port, "port_active", 1, **of(FABRIC_A))

    assert [states(page, FABRIC_A) for page in (before, down, after)] == [
        (1, ACTIVE, LINK_UP),
        (0, DOWN, DISABLED),
        (1, ACTIVE, LINK_UP),
    ]
    assert [states(page, FABRIC_B)[0] for page in (before, down, after)] == [1, 1, 1]
    assert states(down, STORAGE)[0] == 0
    changes = [
        page.get("port_state_changes_total", **of(FABRIC_A)) for page in (before, down, after)
    ]
    assert changes == [0, 1, 2]
    fires = {("RdmaPortDown", FABRIC_A.name)}
    alerts_fire((before, down, after), [set(), fires, set()], tmp_path)
