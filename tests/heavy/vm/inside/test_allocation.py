"""From the node's HCAs to a container's /dev/infiniband."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio

from simulator.kubelet import Allocation, Registered, UnexpectedAdmissionError, Way
from tests.heavy.vm.inside.container import Container
from tests.heavy.vm.inside.fabric import FABRIC_A, HCAS, RDMA_CM, STORAGE
from tests.heavy.vm.inside.node import Node, host_paths, running_node
from tests.heavy.vm.inside.verbs import ping_pong

BY_NAME = {
    "resourceName": "rdma_shared_device_a",
    "rdmaHcaMax": 3,
    "selectors": {"ifNames": [FABRIC_A.netdev, "absent0"]},
}
BY_LINK_TYPE = {
    "resourceName": "roce",
    "rdmaHcaMax": 2,
    "selectors": {"linkTypes": ["ether"]},
}
OF_NO_HCA = {
    "resourceName": "infiniband",
    "rdmaHcaMax": 2,
    "selectors": {"linkTypes": ["infiniband"]},
}

pytestmark = pytest.mark.asyncio(loop_scope="module")

Allocate = Callable[[str], Awaitable[Allocation]]

WAYS = {"device-plugins": Way.REGISTER, "plugins-registry": Way.WATCHER}


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=WAYS)
async def node(request: pytest.FixtureRequest) -> AsyncIterator[Node]:
    resources = (BY_NAME, BY_LINK_TYPE, OF_NO_HCA)
    async with running_node(*resources, flags=("--registration", request.param)) as node:
        await node.lists("rdma/rdma_shared_device_a", healthy=3)
        await node.lists("rdma/roce", healthy=2)
        await node.lists("rdma/infiniband")
        ways = {event.way for event in node.kubelet.events if isinstance(event, Registered)}
        assert ways == {WAYS[request.param]}
        yield node


@pytest_asyncio.fixture(loop_scope="module")
async def allocate(node: Node) -> AsyncIterator[Allocate]:
    """Admit a container with one slot, which is removed after the test."""
    held: list[Allocation] = []

    async def admit(resource: str) -> Allocation:
        held.append(await node.kubelet.allocate(resource))
        return held[-1]

    yield admit
    for allocation in held:
        node.kubelet.release(allocation)


async def test_an_hca_selected_by_its_netdev_is_allocated_with_its_own_nodes(
    allocate: Allocate,
) -> None:
    allocation = await allocate("rdma/rdma_shared_device_a")

    assert host_paths(allocation) == sorted({*FABRIC_A.nodes, RDMA_CM})
    for device in allocation.answer.devices:
        assert device.container_path == device.host_path
        assert device.permissions == "rwm"
    assert dict(allocation.answer.envs) == {"RDMA_DP_RDMA_SHARED_DEVICE_A_HCAS": FABRIC_A.name}


async def test_hcas_selected_by_link_type_are_allocated_together(allocate: Allocate) -> None:
    allocation = await allocate("rdma/roce")

    nodes = set().union(*(hca.nodes for hca in HCAS))
    assert host_paths(allocation) == sorted({*nodes, RDMA_CM})
    assert dict(allocation.answer.envs) == {"RDMA_DP_ROCE_HCAS": "rxe0,rxe1,rxe2"}


async def test_containers_share_the_hca_up_to_the_last_slot(allocate: Allocate) -> None:
    held = [await allocate("rdma/rdma_shared_device_a") for _ in range(3)]

    assert [allocation.ids for allocation in held] == [("0",), ("1",), ("2",)]
    assert {tuple(host_paths(allocation)) for allocation in held} == {tuple(host_paths(held[0]))}


async def test_a_container_sees_the_allocated_hca_active_and_no_other(allocate: Allocate) -> None:
    allocation = await allocate("rdma/rdma_shared_device_a")
    shown = Container(host_paths(allocation)).run("ibv_devinfo")

    assert shown.returncode == 0, shown.stderr
    assert re.findall(r"hca_id:\s+(\S+)", shown.stdout) == [FABRIC_A.name]
    assert re.findall(r"state:\s+(\S+)", shown.stdout) == ["PORT_ACTIVE"]


async def test_data_goes_from_container_to_container_over_the_hca(allocate: Allocate) -> None:
    server, client = [Container(host_paths(await allocate("rdma/roce"))) for _ in range(2)]
    assert "20 iters in" in await asyncio.to_thread(ping_pong, server, client, STORAGE)


async def test_a_pool_without_hca_has_no_slot(node: Node) -> None:
    assert node.kubelet.capacity("rdma/infiniband") == 0
    with pytest.raises(UnexpectedAdmissionError, match="rdma/infiniband"):
        await node.kubelet.allocate("rdma/infiniband", ids=["0"])
