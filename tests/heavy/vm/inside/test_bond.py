"""Bonds are made and removed under a daemon without a timer.

Soft-RoCE keeps an HCA on every slave. The mlx5 driver replaces the HCAs of a bond's functions by a
single one. That is not tested here.
"""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.heavy.vm.inside import fabric
from tests.heavy.vm.inside.fabric import EXTRA_A, EXTRA_B, RDMA_CM, SoftHca
from tests.heavy.vm.inside.node import Node, running_node

ON_BOND = SoftHca("rxe_bond", "bond9", "10.0.9.1")
RESOURCE = {
    "resourceName": "bond",
    "rdmaHcaMax": 2,
    "selectors": {"ifNames": [ON_BOND.netdev]},
    "health": {"downSeconds": 0},
}
SLAVES = (EXTRA_A.netdev, EXTRA_B.netdev)

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Node]:
    async with running_node(RESOURCE) as node:
        await node.lists("rdma/bond")
        yield node


@pytest_asyncio.fixture(loop_scope="module")
async def node(running: Node) -> AsyncIterator[Node]:
    """With netdevs for two HCAs. After the test, the pool has no HCA again."""
    with fabric.netdevs(EXTRA_A, EXTRA_B):
        yield running
    await running.lists("rdma/bond", unhealthy=2)


async def test_the_hcas_of_the_slaves_are_found_by_the_name_of_their_bond(node: Node) -> None:
    fabric.plug(EXTRA_A)
    fabric.plug(EXTRA_B)

    with fabric.bond(ON_BOND.netdev, *SLAVES):
        await node.daemon.says(f"HCAs {EXTRA_A.name}, {EXTRA_B.name}")
        await node.lists("rdma/bond", healthy=2)
        nodes = {*EXTRA_A.nodes, *EXTRA_B.nodes, RDMA_CM}
        await node.hands_out("rdma/bond", nodes)

    await node.lists("rdma/bond", unhealthy=2)


async def test_an_hca_on_a_bond_goes_down_with_the_last_slave_and_goes_with_the_bond(
    node: Node,
) -> None:
    with fabric.bond(ON_BOND.netdev, *SLAVES):
        fabric.plug(ON_BOND)
        await node.lists("rdma/bond", healthy=2)
        await node.hands_out("rdma/bond", {*ON_BOND.nodes, RDMA_CM})
        before = node.lists_received("rdma/bond")

        fabric.set_down(EXTRA_A.netdev)
        fabric.set_down(EXTRA_B.netdev)
        await node.lists("rdma/bond", unhealthy=2)
        fabric.set_up(EXTRA_A.netdev)
        await node.lists("rdma/bond", healthy=2)
        assert node.lists_received("rdma/bond") == before + 2

    await node.lists("rdma/bond", unhealthy=2)
