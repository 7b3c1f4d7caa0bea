"""CDI from end to end: podman resolves the names of Allocate's answer."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from simulator.kubelet import Allocation
from tests.heavy.vm.inside import fabric
from tests.heavy.vm.inside.container import Container, device_number
from tests.heavy.vm.inside.fabric import EXTRA_A, EXTRA_B, RDMA_CM
from tests.heavy.vm.inside.node import Node, cdi_names, running_node
from tests.heavy.vm.inside.verbs import ping_pong

RESOURCE = "rdma/by_name"
CONFIG = {
    "resourceName": "by_name",
    "slotsPer": "hca",
    "rdmaHcaMax": 2,
    "selectors": {"ifNames": [EXTRA_A.netdev, EXTRA_B.netdev]},
}

CDI_DIRECTORY = "/var/run/cdi"  # the daemon's default, and the directory that podman reads


@pytest.fixture(autouse=True)
def two_more_hcas() -> Iterator[None]:
    with fabric.netdevs(EXTRA_A, EXTRA_B):
        for hca in (EXTRA_A, EXTRA_B):
            fabric.give_address(hca)
            fabric.plug(hca)
        yield


@pytest.fixture(autouse=True)
def cdi_directory() -> Iterator[None]:
    """Empty, even if the host has files there."""
    fabric.run("mkdir", "-p", CDI_DIRECTORY)
    fabric.run("mount", "-t", "tmpfs", "tmpfs", CDI_DIRECTORY)
    yield
    fabric.run("umount", CDI_DIRECTORY)


@asynccontextmanager
async def node_with_cdi() -> AsyncIterator[Node]:
    async with running_node(CONFIG, flags=("--use-cdi",)) as node:
        await node.lists(RESOURCE, healthy=4)
        yield node


async def test_containers_get_the_hca_of_their_slot_by_name() -> None:
    async with node_with_cdi() as node:
        allocations = [
            await node.kubelet.allocate(RESOURCE, ids=[f"{EXTRA_B.name}-{number}"])
            for number in range(2)
        ]
        server, client = map(container_of, allocations)
        wanted = {*EXTRA_B.nodes, RDMA_CM}
        assert server.nodes() == {path: device_number(path) for path in wanted}
        assert server.opens(fabric.all_nodes()) == wanted
        assert hcas_seen_in(server) == [EXTRA_B.name]
        assert "20 iters in" in await asyncio.to_thread(ping_pong, server, client, EXTRA_B)


async def test_a_name_stays_that_of_its_hca_when_the_kernel_numbers_the_nodes_anew() -> None:
    async with node_with_cdi() as node:
        allocation = await node.kubelet.allocate(RESOURCE, ids=[f"{EXTRA_A.name}-0"])
        container, before = container_of(allocation), EXTRA_A.nodes
        for hca in (EXTRA_A, EXTRA_B):
            fabric.unplug(hca)
        await node.lists(RESOURCE, unhealthy=4)
        refused = container.run("true")
        assert "unresolvable CDI devices" in refused.stderr

        for hca in (EXTRA_B, EXTRA_A):
            fabric.plug(hca)
        await node.lists(RESOURCE, healthy=4)
        # the number that the container had belongs to another device now
        assert EXTRA_B.nodes == before
        assert container.opens(fabric.all_nodes()) == {*EXTRA_A.nodes, RDMA_CM}

    # The daemon has exited, and a container restarts.
    assert hcas_seen_in(container) == [EXTRA_A.name]


def container_of(allocation: Allocation) -> Container:
    """A container that a runtime makes from CDI names only."""
    assert list(allocation.answer.devices) == []
    return Container(cdi_names(allocation))


def hcas_seen_in(container: Container) -> list[str]:
    shown = container.run("ibv_devinfo")
    assert shown.returncode == 0, shown.stderr
    return re.findall(r"hca_id:\s+(\S+)", shown.stdout)
