"""Kernel modules are unloaded and loaded under a daemon without a timer."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from tests.heavy.vm.inside import fabric
from tests.heavy.vm.inside.fabric import FABRIC_A, RDMA_CM
from tests.heavy.vm.inside.node import Node, running_node

RESOURCE = {
    "resourceName": "fabric",
    "rdmaHcaMax": 2,
    "selectors": {"ifNames": [FABRIC_A.netdev]},
}

DEV_INFINIBAND = Path("/dev/infiniband")

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node() -> AsyncIterator[Node]:
    async with running_node(RESOURCE) as node:
        await node.lists("rdma/fabric", healthy=2)
        yield node


@contextmanager
def unloaded(*modules: str) -> Iterator[None]:
    """Unload these modules until the end. Each comes before those that it needs."""
    fabric.unload(*modules)
    try:
        yield
    finally:
        fabric.load(*reversed(modules))


async def test_hcas_go_with_their_driver_and_come_back_with_it(node: Node) -> None:
    with unloaded("rdma_rxe"):
        await node.lists("rdma/fabric", unhealthy=2)
    fabric.plug_all()  # the driver is loaded without HCAs
    await node.lists("rdma/fabric", healthy=2)
    await node.hands_out("rdma/fabric", {*FABRIC_A.nodes, RDMA_CM})


async def test_everything_below_dev_infiniband_is_made_anew(node: Node) -> None:
    with unloaded("rdma_rxe", "rdma_ucm", "ib_uverbs", "ib_umad"):
        await node.lists("rdma/fabric", unhealthy=2)
        assert not DEV_INFINIBAND.exists()
    fabric.plug_all()
    await node.lists("rdma/fabric", healthy=2)
    await node.hands_out("rdma/fabric", {*FABRIC_A.nodes, RDMA_CM})


async def test_management_nodes_are_handed_out_while_ib_umad_is_loaded(node: Node) -> None:
    with unloaded("ib_umad"):
        await node.daemon.says("`modprobe ib_umad` makes the nodes")
        await node.hands_out("rdma/fabric", {FABRIC_A.uverbs, RDMA_CM})
    await node.hands_out("rdma/fabric", {*FABRIC_A.nodes, RDMA_CM})


async def test_rdma_cm_is_handed_out_while_rdma_ucm_is_loaded(node: Node) -> None:
    with unloaded("rdma_ucm"):
        await node.daemon.says("`modprobe rdma_ucm` makes the node")
        await node.hands_out("rdma/fabric", FABRIC_A.nodes)
    await node.hands_out("rdma/fabric", {*FABRIC_A.nodes, RDMA_CM})
