"""Changes without an event: the daemon finds them with its fingerprint, or by the timer."""

import os

from tests.heavy.vm.inside import fabric
from tests.heavy.vm.inside.fabric import FABRIC_A
from tests.heavy.vm.inside.node import running_node

RESOURCE = {
    "resourceName": "fabric",
    "rdmaHcaMax": 3,
    "selectors": {"ifNames": [FABRIC_A.netdev], "linkTypes": ["ether"]},
}


async def test_an_hca_is_handed_out_only_while_its_node_in_dev_is_right() -> None:
    # The nodes are files. Changes that a person makes to them are found by the timer.
    async with running_node(RESOURCE, periodicUpdateInterval=1) as node:
        await node.lists("rdma/fabric", healthy=3)

        for wrong in (None, os.makedev(231, 200)):
            with fabric.node_replaced(FABRIC_A.uverbs, wrong):
                await node.lists("rdma/fabric", unhealthy=3)
            await node.lists("rdma/fabric", healthy=3)


async def test_exclusive_netns_mode_takes_every_slot_away_and_shared_mode_brings_it_back() -> None:
    async with running_node(RESOURCE) as node:
        await node.lists("rdma/fabric", healthy=3)

        with fabric.exclusive_netns_mode():
            await node.lists("rdma/fabric", unhealthy=3)
            assert "exclusive network-namespace mode" in await node.daemon.says("exclusive")
            assert node.daemon.alive

        await node.lists("rdma/fabric", healthy=3)


async def test_a_daemon_that_starts_in_exclusive_netns_mode_advertises_nothing_and_stays() -> None:
    with fabric.exclusive_netns_mode():
        async with running_node(RESOURCE) as node:
            await node.lists("rdma/fabric")
            assert "exclusive network-namespace mode" in await node.daemon.says("exclusive")
            assert node.daemon.alive

            fabric.set_netns_mode("shared")
            await node.lists("rdma/fabric", healthy=3)
