"""What a container gets, and the error that the pod's owner reads if it gets nothing."""

import asyncio
from collections.abc import Iterable

import grpc
import pytest

from rdma_dp.kubelet.api import deviceplugin_pb2 as pb
from simulator import host as simulated_host
from simulator.kubelet import SimulatedKubelet, UnexpectedAdmissionError
from tests.integration.daemon.process import NAME, Node, dialled, entry, healthy


def paths(container: pb.ContainerAllocateResponse) -> list[str]:
    return [device.host_path for device in container.devices]


def infiniband(names: Iterable[str]) -> list[str]:
    return [f"/dev/infiniband/{name}" for name in names]


async def test_a_container_gets_the_nodes_of_exactly_the_chosen_hcas(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    """Defect 14 of the Go plugin: rdma_cm is in the answer once per HCA."""
    node.configure(entry("one", selectors={"ifNames": ["eth1"]}), entry("all"))
    async with node.daemon():
        await kubelet.wait_for("rdma/one", healthy(4))
        await kubelet.wait_for("rdma/all", healthy(4))
        one = (await kubelet.allocate("rdma/one")).answer
        assert paths(one) == infiniband(["rdma_cm", "umad1", "uverbs1"])
        assert one.envs == {"RDMA_DP_ONE_HCAS": "mlx5_1"}
        both = (await kubelet.allocate("rdma/all")).answer
        assert paths(both) == infiniband(["rdma_cm", "umad0", "umad1", "uverbs0", "uverbs1"])
        assert both.envs == {"RDMA_DP_ALL_HCAS": "mlx5_0,mlx5_1"}
        for device in [*one.devices, *both.devices]:
            assert device.container_path == device.host_path, "never a path below --root"
            assert device.permissions == "rwm"


async def test_issm_nodes_come_along_where_they_exist(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    node.host.replace(simulated_host.load("dgx-h100"))
    node.configure(entry(selectors={"ifNames": ["ibp24s0"]}))
    async with node.daemon():
        await kubelet.wait_for(NAME, healthy(4))
        answer = (await kubelet.allocate(NAME)).answer
        assert paths(answer) == infiniband(["issm0", "rdma_cm", "umad0", "uverbs0"])


async def test_management_can_be_switched_off(node: Node, kubelet: SimulatedKubelet) -> None:
    """Two resources share an HCA; only one gives the nodes that send management packets."""
    node.host.replace(simulated_host.load("dgx-h100"))
    chosen = {"ifNames": ["ibp24s0"]}
    node.configure(entry(selectors=chosen, management=False), entry("b", selectors=chosen))
    async with node.daemon():
        await kubelet.wait_for(NAME, healthy(4))
        await kubelet.wait_for("rdma/b", healthy(4))
        without, with_ = await kubelet.allocate(NAME), await kubelet.allocate("rdma/b")
        assert paths(without.answer) == infiniband(["rdma_cm", "uverbs0"])
        assert paths(with_.answer) == infiniband(["issm0", "rdma_cm", "umad0", "uverbs0"])


async def test_the_node_of_the_driver_comes_along(node: Node, kubelet: SimulatedKubelet) -> None:
    """C12: PSM2 and OPX need /dev/hfi1_N, which is outside /dev/infiniband."""
    node.host.replace(simulated_host.load("cn5000"))
    node.configure(entry(selectors={"pciAddresses": ["0000:af:00.0"]}))
    async with node.daemon():
        await kubelet.wait_for(NAME, healthy(4))
        answer = (await kubelet.allocate(NAME)).answer
        nodes = infiniband(["issm1", "rdma_cm", "umad1", "uverbs1"])
        assert paths(answer) == ["/dev/hfi1_1", *nodes]


async def test_an_hca_that_is_lost_is_not_handed_out(node: Node, kubelet: SimulatedKubelet) -> None:
    async with node.daemon() as daemon:
        await kubelet.wait_for(NAME, healthy(4))
        node.host.unplug("mlx5_0")
        await daemon.says("lost mlx5_0")
        answer = (await kubelet.allocate(NAME)).answer
        assert paths(answer) == infiniband(["rdma_cm", "umad1", "uverbs1"])
        assert answer.envs == {"RDMA_DP_A_HCAS": "mlx5_1"}


async def test_unknown_slots_are_refused_in_words(node: Node, kubelet: SimulatedKubelet) -> None:
    """Defect 14 of the Go plugin: unknown ids are accepted."""
    async with node.daemon():
        await kubelet.wait_for(NAME, healthy(4))
        with pytest.raises(UnexpectedAdmissionError) as refused:
            await kubelet.allocate(NAME, ids=["3", "4"])
        assert refused.value.code is grpc.StatusCode.INVALID_ARGUMENT
        assert "rdma/a has no slot '4' on this node" in refused.value.details
        assert (await kubelet.allocate(NAME)).ids


async def test_an_empty_pool_is_refused_with_its_reason(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    """Defect 14 of the Go plugin: an answer without devices."""
    node.configure(entry(selectors={"ifNames": ["eth0"]}))
    async with node.daemon():
        await kubelet.wait_for(NAME, healthy(4))
        node.host.unplug("mlx5_0")
        await kubelet.wait_for(NAME, healthy(0, of=4))
        with pytest.raises(UnexpectedAdmissionError) as refused:
            await kubelet.allocate(NAME, ids=["0"])
        assert refused.value.code is grpc.StatusCode.FAILED_PRECONDITION
        assert "rdma/a has no usable HCA on this node" in refused.value.details
        assert "ifNames wants eth0" in refused.value.details


async def test_several_containers_in_one_call_and_many_calls_at_once(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    async with node.daemon():
        await kubelet.wait_for(NAME, healthy(4))
        (socket,) = node.sockets()
        async with dialled(socket) as stub:
            container = pb.ContainerAllocateRequest(devices_ids=["1", "2"])
            request = pb.AllocateRequest(container_requests=[container] * 3)
            answers = await asyncio.gather(*(stub.Allocate(request) for _ in range(64)))
            assert all(answer == answers[0] for answer in answers)
            responses = answers[0].container_responses
            assert len(responses) == 3
            assert all(len(paths(response)) == 5 for response in responses)


async def test_a_question_for_a_preference_is_answered_and_nothing_ends(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    """Defect 2 of the Go plugin: GetPreferredAllocation crashes the daemon."""
    async with node.daemon():
        await kubelet.wait_for(NAME, healthy(4))
        (socket,) = node.sockets()
        async with dialled(socket) as stub:
            container = pb.ContainerPreferredAllocationRequest(
                available_deviceIDs=["3", "1", "2"], allocation_size=2
            )
            answer = await stub.GetPreferredAllocation(
                pb.PreferredAllocationRequest(container_requests=[container])
            )
            assert list(answer.container_responses[0].deviceIDs) == ["1", "2"]
            await stub.PreStartContainer(pb.PreStartContainerRequest(devices_ids=["?"]))
        assert (await kubelet.allocate(NAME)).ids
