"""HCAs and netdevs appear, disappear and change their names under a daemon without a timer."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from simulator.kubelet import UnexpectedAdmissionError
from tests.heavy.vm.inside import fabric
from tests.heavy.vm.inside.fabric import EXTRA_A, EXTRA_B, HCAS, RDMA_CM, SoftHca
from tests.heavy.vm.inside.node import Node, running_node

EXTRA = {
    "resourceName": "extra",
    "rdmaHcaMax": 2,
    "selectors": {"ifNames": [EXTRA_A.netdev, EXTRA_B.netdev]},
}
RENAMED = {
    "resourceName": "renamed",
    "rdmaHcaMax": 1,
    "selectors": {"ifNames": ["renamed0"]},
}
ETHER = {
    "resourceName": "ether",
    "rdmaHcaMax": 3,
    "selectors": {"linkTypes": ["ether"]},
}

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Node]:
    async with running_node(EXTRA, RENAMED, ETHER) as node:
        await node.lists("rdma/extra")
        await node.lists("rdma/ether", healthy=3)
        yield node


def nodes(*hcas: SoftHca) -> set[str]:
    """The nodes that a container must get for these."""
    return {RDMA_CM}.union(*(hca.nodes for hca in hcas))


async def test_hcas_join_the_pools_that_select_them_and_leave_them(node: Node) -> None:
    fabric.plug(EXTRA_A)
    await node.lists("rdma/extra", healthy=2)
    await node.hands_out("rdma/extra", nodes(EXTRA_A))

    fabric.plug(EXTRA_B)
    await node.daemon.says(f"found {EXTRA_B.name}")
    await node.hands_out("rdma/extra", nodes(EXTRA_A, EXTRA_B))
    await node.hands_out("rdma/ether", nodes(*HCAS, EXTRA_A, EXTRA_B))

    fabric.unplug(EXTRA_A)
    await node.daemon.says(f"lost {EXTRA_A.name}")
    await node.hands_out("rdma/extra", nodes(EXTRA_B))
    await node.hands_out("rdma/ether", nodes(*HCAS, EXTRA_B))

    fabric.unplug(EXTRA_B)
    await node.lists("rdma/extra", unhealthy=2)
    with pytest.raises(UnexpectedAdmissionError, match="rdma/extra has no usable HCA"):
        await node.kubelet.allocate("rdma/extra", ids=["0"])


async def test_an_hca_that_comes_back_has_other_nodes(node: Node) -> None:
    fabric.plug(EXTRA_A)
    await node.lists("rdma/extra", healthy=2)
    before = EXTRA_A.nodes
    fabric.unplug(EXTRA_A)
    await node.lists("rdma/extra", unhealthy=2)

    fabric.plug(EXTRA_B)  # takes the lowest numbers
    fabric.plug(EXTRA_A)
    await node.daemon.says(f"found {EXTRA_A.name}")

    await node.lists("rdma/extra", healthy=2)
    assert EXTRA_A.nodes != before
    assert EXTRA_B.nodes == before
    await node.hands_out("rdma/extra", nodes(EXTRA_A, EXTRA_B))


async def test_an_hca_that_is_renamed_keeps_its_nodes(node: Node) -> None:
    fabric.plug(EXTRA_A)
    await node.lists("rdma/extra", healthy=2)
    before = nodes(EXTRA_A)

    fabric.run("rdma", "dev", "set", EXTRA_A.name, "name", "rocep1s0")
    await node.daemon.says("found rocep1s0")

    await node.hands_out("rdma/extra", before)


async def test_an_hca_goes_with_its_netdev(running: Node) -> None:
    with fabric.netdevs(EXTRA_A):
        fabric.plug(EXTRA_A)
        await running.lists("rdma/extra", healthy=2)
    await running.lists("rdma/extra", unhealthy=2)


async def test_an_hca_is_where_the_name_of_its_netdev_is_selected(node: Node) -> None:
    fabric.plug(EXTRA_A)
    await node.lists("rdma/extra", healthy=2)

    fabric.rename(EXTRA_A.netdev, "renamed0")
    await node.lists("rdma/renamed", healthy=1)
    await node.lists("rdma/extra", unhealthy=2)
    await node.hands_out("rdma/renamed", nodes(EXTRA_A))

    fabric.rename("renamed0", EXTRA_A.netdev)
    await node.lists("rdma/extra", healthy=2)
    await node.lists("rdma/renamed", unhealthy=1)
