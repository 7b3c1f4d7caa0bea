"""Links go down and up under a daemon without a timer."""

import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.heavy.vm.inside import fabric
from tests.heavy.vm.inside.daemon import DEADLINE, RDMA_DP
from tests.heavy.vm.inside.fabric import FABRIC_A, FABRIC_B, HCAS, STORAGE
from tests.heavy.vm.inside.node import Node, Resource, config, running_node

REMEDY = f"{FABRIC_A.netdev} is administratively down: `ip link set {FABRIC_A.netdev} up`"


def resource(name: str, down_seconds: int, *netdevs: str) -> Resource:
    return {
        "resourceName": name,
        "rdmaHcaMax": 2,
        "selectors": {"ifNames": netdevs},
        "health": {"downSeconds": down_seconds},
    }


BOTH = resource("both", 0, FABRIC_A.netdev, FABRIC_B.netdev)
SOON = resource("soon", 1, FABRIC_A.netdev)
PATIENT = resource("patient", 3600, FABRIC_A.netdev)
VETH = resource("veth", 0, STORAGE.netdev)

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Node]:
    async with running_node(BOTH, SOON, PATIENT, VETH) as node:
        yield node


@pytest_asyncio.fixture(loop_scope="module")
async def node(running: Node) -> AsyncIterator[Node]:
    """With every slot healthy, before and after the test."""

    async def all_is_well() -> None:
        for name in ("both", "soon", "patient", "veth"):
            await running.lists(f"rdma/{name}", healthy=2)

    await all_is_well()
    yield running
    for hca in HCAS:
        fabric.set_up(hca.netdev)
    await all_is_well()


async def test_slots_are_healthy_as_long_as_one_hca_has_an_active_port(node: Node) -> None:
    fabric.set_down(FABRIC_A.netdev)
    await node.daemon.says("rdma/both: no active port: rxe1 port 1 is DOWN")
    await node.lists("rdma/both", healthy=2)

    fabric.set_down(FABRIC_B.netdev)
    await node.lists("rdma/both", unhealthy=2)

    fabric.set_up(FABRIC_A.netdev)
    await node.lists("rdma/both", healthy=2)


async def test_a_link_that_is_down_for_long_enough_makes_slots_unhealthy(node: Node) -> None:
    fabric.set_down(FABRIC_A.netdev)
    await node.daemon.says("Unhealthy in 1 s")
    await node.lists("rdma/soon", unhealthy=2)

    fabric.set_up(FABRIC_A.netdev)
    await node.lists("rdma/soon", healthy=2)


async def test_a_link_that_is_down_for_a_short_time_does_not_change_the_list(node: Node) -> None:
    before = node.lists_received("rdma/patient")

    fabric.set_down(FABRIC_A.netdev)
    await node.daemon.says("Unhealthy in 3600 s")
    fabric.set_up(FABRIC_A.netdev)
    await node.daemon.says("rdma/patient: a port is ACTIVE again")

    assert node.lists_received("rdma/patient") == before


async def test_a_link_without_carrier_is_down_too(node: Node) -> None:
    fabric.set_down("storage0-peer")
    try:
        await node.lists("rdma/veth", unhealthy=2)
        line = await node.daemon.says("rdma/veth: 0 of 2 slots healthy")
    finally:
        fabric.set_up("storage0-peer")

    assert f"{STORAGE.name} port 1 is DOWN" in line
    assert "administratively" not in line


async def test_the_log_says_what_to_type_when_an_administrator_set_the_link_down(
    node: Node,
) -> None:
    fabric.set_down(FABRIC_A.netdev)
    assert REMEDY in await node.daemon.says("rdma/soon: 0 of 2 slots healthy")


async def test_dry_run_says_what_to_type_when_an_administrator_set_the_link_down(
    node: Node, tmp_path: Path
) -> None:
    fabric.set_down(FABRIC_A.netdev)
    assert REMEDY in str(dry_run(tmp_path, SOON)["resources"])


def dry_run(directory: Path, *resources: Resource) -> Any:
    file = directory / "config.json"
    file.write_text(config(*resources))
    command = [RDMA_DP, "dry-run", "--config", str(file), "-o", "json"]
    return json.loads(subprocess.check_output(command, text=True, timeout=DEADLINE))
