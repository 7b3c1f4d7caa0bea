"""More changes at once than the daemon can process one by one. At rest, the list is right."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from rdma_dp.aio.debounce import QUIET
from tests.heavy.vm.inside import fabric
from tests.heavy.vm.inside.fabric import EXTRA_A, EXTRA_B, RDMA_CM
from tests.heavy.vm.inside.node import Node, running_node
from tests.integration.daemon.scraping import LOOPBACK, free_port, scrape

CHANGES = 200
PODS = 20
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


async def test_the_netdevs_of_pods_cause_no_scan(record_property: Record) -> None:
    port = free_port()
    flags = ("--metrics", f"{LOOPBACK}:{port}")
    with fabric.netdevs(EXTRA_A):
        async with running_node(RESOURCE, flags=flags, periodicUpdateInterval=0) as node:
            await node.lists("rdma/extra")
            before = await scans(port)
            for _ in range(PODS):
                await asyncio.to_thread(start_and_stop_a_pod)
                await asyncio.sleep(2 * QUIET)  # so that each would have its own scan
            fabric.plug(EXTRA_A)
            await node.lists("rdma/extra", healthy=2)
            more = await scans(port) - before
            fabric.unplug(EXTRA_A)
            record_property(f"scans for {PODS} pods and an HCA", more)
    assert more < PODS


async def scans(port: int) -> int:
    count = (await scrape(port)).get("scans_total", result="ok")
    assert count is not None
    return int(count)


def start_and_stop_a_pod() -> None:
    """The events of a pod's veth: made, up, renamed, gone."""
    fabric.run("ip", "link", "add", "pod0", "type", "veth", "peer", "name", "pod0-inside")
    fabric.run("ip", "link", "set", "pod0-inside", "up")
    fabric.run("ip", "link", "set", "pod0", "name", "pod1")
    fabric.run("ip", "link", "set", "pod1", "up")
    fabric.run("ip", "link", "delete", "pod1")


def flap(changes: int) -> None:
    """The netdev of the HCA goes down and up. At the end it is up."""
    for number in range(changes):
        fabric.turn(EXTRA_A.netdev, up=bool(number % 2))
