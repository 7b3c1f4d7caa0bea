"""How long a change of the node takes to reach kubelet's list. Measured, without a limit."""

import statistics
import time
from collections.abc import AsyncIterator, Callable, Iterable

import pytest
import pytest_asyncio

from tests.heavy.vm.inside import fabric
from tests.heavy.vm.inside.fabric import EXTRA_A
from tests.heavy.vm.inside.node import Node, running_node

ROUNDS = 12
RESOURCE = {
    "resourceName": "extra",
    "rdmaHcaMax": 2,
    "selectors": {"ifNames": [EXTRA_A.netdev]},
    "health": {"downSeconds": 0},
}

pytestmark = pytest.mark.asyncio(loop_scope="module")

Record = Callable[[str, object], None]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Node]:
    async with running_node(RESOURCE) as node:
        await node.lists("rdma/extra")
        yield node


async def test_from_a_link_that_changes_to_the_list(node: Node, record_property: Record) -> None:
    fabric.plug(EXTRA_A)
    await node.lists("rdma/extra", healthy=2)
    seconds = []
    for _ in range(ROUNDS):
        started = time.monotonic()
        fabric.turn(EXTRA_A.netdev, up=False)
        await node.lists("rdma/extra", unhealthy=2)
        seconds.append(time.monotonic() - started)

        started = time.monotonic()
        fabric.turn(EXTRA_A.netdev, up=True)
        await node.lists("rdma/extra", healthy=2)
        seconds.append(time.monotonic() - started)
    record_property("a link down or up, to the list", summary(seconds))


async def test_from_an_hca_that_comes_or_goes_to_the_list(
    node: Node, record_property: Record
) -> None:
    seconds = []
    for _ in range(ROUNDS):
        started = time.monotonic()
        fabric.plug(EXTRA_A)
        await node.lists("rdma/extra", healthy=2)
        seconds.append(time.monotonic() - started)

        started = time.monotonic()
        fabric.unplug(EXTRA_A)
        await node.lists("rdma/extra", unhealthy=2)
        seconds.append(time.monotonic() - started)
    record_property("`rdma link add` or `delete`, from its start, to the list", summary(seconds))


def summary(seconds: Iterable[float]) -> str:
    sorted_seconds = sorted(seconds)
    return (
        f"p50 {statistics.median(sorted_seconds):.2f} s, max {sorted_seconds[-1]:.2f} s"
        f" ({len(sorted_seconds)} changes)"
    )
