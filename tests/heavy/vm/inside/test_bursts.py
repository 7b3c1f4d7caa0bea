"""More changes at once than the daemon can process one by one. At rest, the list is right."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from tests.heavy.vm.inside import fabric
from tests.heavy.vm.inside.fabric import EXTRA_A, EXTRA_B, RDMA_CM
from tests.heavy.vm.inside.node import Node, running_node

CHANGES = 200
RESOURCE = {
    "resourceName": "extra",
    "rdmaHcaMax": 2,
    "selectors": {"ifNames": [EXTRA_A.netdev, EXTRA_B.netdev]},
    "health": {"downSeconds": 0},
}

pytestmark = pytest.mark.asyncio(loop_scope="module")

Record = Callable[[str, object], None]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Node]:
    async with running_node(RESOURCE) as node:
        await node.lists("rdma/extra")
        yield node


async def test_an_hca_comes_and_goes(node: Node, record_property: Record) -> None:
    before = node.lists_received("rdma/extra")
    await asyncio.to_thread(fabric.plug_and_unplug, EXTRA_A, times=CHANGES // 2)

    # When the daemon has seen another HCA, it has seen the state of rest.
    fabric.plug(EXTRA_B)
    await node.daemon.says(f"HCAs {EXTRA_A.name}, {EXTRA_B.name}")
    await node.lists("rdma/extra", healthy=2)
    await node.hands_out("rdma/extra", {*EXTRA_A.nodes, *EXTRA_B.nodes, RDMA_CM})
    record_property(
        f"lists sent for {CHANGES} times `rdma link add` or `delete`",
        node.lists_received("rdma/extra") - before,
    )


async def test_a_link_goes_down_and_up(node: Node, record_property: Record) -> None:
    fabric.plug(EXTRA_A)
    await node.lists("rdma/extra", healthy=2)
    before = node.lists_received("rdma/extra")
    await asyncio.to_thread(flap, CHANGES)

    fabric.turn(EXTRA_A.netdev, up=False)
    await node.lists("rdma/extra", unhealthy=2)
    fabric.turn(EXTRA_A.netdev, up=True)
    await node.lists("rdma/extra", healthy=2)
    record_property(
        f"lists sent for {CHANGES} times a link down or up, and once down, once up",
        node.lists_received("rdma/extra") - before,
    )


async def test_events_are_lost_while_no_process_reads_them(node: Node) -> None:
    fabric.plug(EXTRA_A)
    await node.lists("rdma/extra", healthy=2)

    node.daemon.pause()
    flap(CHANGES)
    fabric.turn(EXTRA_A.netdev, up=False)
    node.daemon.resume()

    await node.lists("rdma/extra", unhealthy=2)
    await node.daemon.says("events came faster than they were read")


def flap(changes: int) -> None:
    """The netdev of the HCA goes down and up. At the end it is up."""
    for number in range(changes):
        fabric.turn(EXTRA_A.netdev, up=bool(number % 2))
