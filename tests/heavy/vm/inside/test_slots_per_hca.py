"""Each slot belongs to one of four HCAs, and a container can use only that HCA."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio

from simulator.kubelet import Allocation, UnexpectedAdmissionError
from tests.heavy.vm.inside import fabric
from tests.heavy.vm.inside.container import Container, device_number
from tests.heavy.vm.inside.fabric import EXTRA_A, EXTRA_B, FABRIC_B, HCAS, RDMA_CM, SoftHca
from tests.heavy.vm.inside.node import Node, host_paths, running_node
from tests.heavy.vm.inside.verbs import ping_pong

RESOURCE = "rdma/per_hca"
CONFIG = {
    "resourceName": "per_hca",
    "slotsPer": "hca",
    "rdmaHcaMax": 2,
    "selectors": {"linkTypes": ["ether"], "exclude": {"ifNames": [EXTRA_B.netdev]}},
    "health": {"downSeconds": 0},
    "env": {"NCCL_IB_HCA": "hcas"},
}
FOUR = (*HCAS, EXTRA_A)

pytestmark = pytest.mark.asyncio(loop_scope="module")

Allocate = Callable[..., Awaitable[Allocation]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node() -> AsyncIterator[Node]:
    with fabric.netdevs(EXTRA_A, EXTRA_B):
        fabric.plug(EXTRA_A)
        async with running_node(CONFIG) as node:
            await node.lists(RESOURCE, healthy=8)
            yield node


@pytest_asyncio.fixture(loop_scope="module")
async def allocate(node: Node) -> AsyncIterator[Allocate]:
    """Admit a container, which is removed after the test."""
    held: list[Allocation] = []

    async def admit(*ids: str) -> Allocation:
        held.append(await node.kubelet.allocate(RESOURCE, ids=ids))
        return held[-1]

    yield admit
    for allocation in held:
        node.kubelet.release(allocation)


def slots(*hcas: SoftHca) -> set[str]:
    return {f"{hca.name}-{number}" for hca in hcas for number in range(2)}


async def test_slots_are_named_by_their_hca(node: Node) -> None:
    assert set(node.kubelet.devices(RESOURCE)) == slots(*FOUR)


async def test_a_container_sees_and_opens_the_hca_of_its_slot_and_no_other(
    allocate: Allocate,
) -> None:
    allocation = await allocate(f"{FABRIC_B.name}-0")
    wanted = {*FABRIC_B.nodes, RDMA_CM}
    assert host_paths(allocation) == sorted(wanted)
    assert dict(allocation.answer.envs) == {
        "RDMA_DP_PER_HCA_HCAS": FABRIC_B.name,
        "NCCL_IB_HCA": f"={FABRIC_B.name}",
    }

    container = Container(host_paths(allocation))
    assert container.nodes() == {path: device_number(path) for path in wanted}
    assert container.opens(fabric.all_nodes()) == wanted
    shown = container.run("ibv_devinfo")
    assert re.findall(r"hca_id:\s+(\S+)", shown.stdout) == [FABRIC_B.name]


async def test_data_goes_from_container_to_container_over_the_hca_of_their_slots(
    allocate: Allocate,
) -> None:
    ids = sorted(slots(FABRIC_B))
    server, client = [Container(host_paths(await allocate(slot))) for slot in ids]
    assert "20 iters in" in await asyncio.to_thread(ping_pong, server, client, FABRIC_B)


async def test_kubelet_spreads_the_slots_of_a_container_over_the_hcas(node: Node) -> None:
    allocation = await node.kubelet.allocate(RESOURCE, 4)
    node.kubelet.release(allocation)

    assert {slot.rpartition("-")[0] for slot in allocation.ids} == {hca.name for hca in FOUR}
    assert host_paths(allocation) == sorted({RDMA_CM}.union(*(hca.nodes for hca in FOUR)))
    assert allocation.answer.envs["NCCL_IB_HCA"] == "=rxe0,rxe1,rxe2,rxe3"


async def test_a_link_that_is_down_makes_the_slots_of_its_hca_unhealthy(node: Node) -> None:
    fabric.set_down(FABRIC_B.netdev)
    try:
        await node.lists_unhealthy(RESOURCE, slots(FABRIC_B))
    finally:
        fabric.set_up(FABRIC_B.netdev)
    await node.lists(RESOURCE, healthy=8)


async def test_an_hca_that_comes_back_has_its_slots_again_with_other_nodes(node: Node) -> None:
    before = EXTRA_A.nodes
    fabric.unplug(EXTRA_A)
    await node.lists_unhealthy(RESOURCE, slots(EXTRA_A))
    assert set(node.kubelet.devices(RESOURCE)) == slots(*FOUR)
    with pytest.raises(UnexpectedAdmissionError, match=f"the HCA of slot '{EXTRA_A.name}-0'"):
        await node.kubelet.allocate(RESOURCE, ids=[f"{EXTRA_A.name}-0"])
    await node.hands_out(RESOURCE, {*FABRIC_B.nodes, RDMA_CM}, slot=f"{FABRIC_B.name}-0")

    fabric.plug(EXTRA_B)  # takes the numbers of the one that is gone
    fabric.plug(EXTRA_A)
    await node.lists(RESOURCE, healthy=8)
    assert EXTRA_A.nodes.isdisjoint(before)
    await node.hands_out(RESOURCE, {*EXTRA_A.nodes, RDMA_CM}, slot=f"{EXTRA_A.name}-0")
