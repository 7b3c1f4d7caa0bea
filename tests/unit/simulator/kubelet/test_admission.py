"""Allocate, GetPreferredAllocation and PreStartContainer, as kubelet calls them."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest

from rdma_dp.kubelet.api import deviceplugin_pb2 as pb
from simulator.kubelet import Allocated, SimulatedKubelet, UnexpectedAdmissionError, admission
from tests.unit.simulator.kubelet.plugin import RESOURCE, ScriptedPlugin, healthy, unhealthy


@pytest.fixture
async def node(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin
) -> AsyncIterator[SimulatedKubelet]:
    """A kubelet with four healthy devices and one that is not."""
    plugin.devices = unhealthy("x") + healthy("0", "1", "2", "3")
    await plugin.join(kubelet.socket)
    await kubelet.wait_for(RESOURCE, lambda devices: len(devices) == 5)
    yield kubelet


async def admission_error(kubelet: SimulatedKubelet, count: int = 1) -> UnexpectedAdmissionError:
    with pytest.raises(UnexpectedAdmissionError) as raised:
        await kubelet.allocate(RESOURCE, count)
    return raised.value


async def prefer(node: SimulatedKubelet, plugin: ScriptedPlugin, *ids: str) -> None:
    """Let the plugin say that it has preferences, and that `ids` are those."""
    answer = pb.ContainerPreferredAllocationResponse(deviceIDs=ids)
    plugin.options.get_preferred_allocation_available = True
    plugin.preferred = lambda _: pb.PreferredAllocationResponse(container_responses=[answer])
    await plugin.register(node.socket, "a.sock")


async def test_one_container_per_call_gets_free_healthy_devices_in_order(
    node: SimulatedKubelet, plugin: ScriptedPlugin
) -> None:
    first = await node.allocate(RESOURCE, 2)
    second = await node.allocate(RESOURCE)
    assert (first.ids, second.ids) == (("0", "1"), ("2",))
    assert first.answer.envs["IDS"] == "0,1"
    asked = [
        [list(container.devices_ids) for container in request.container_requests]
        for request in plugin.called("Allocate")
    ]
    assert asked == [[["0", "1"]], [["2"]]]
    assert node.allocated(RESOURCE) == {"0", "1", "2"}
    assert node.events[-2:] == [Allocated(RESOURCE, ("0", "1")), Allocated(RESOURCE, ("2",))]


async def test_allocatable_does_not_fall_by_what_is_given_away(node: SimulatedKubelet) -> None:
    await node.allocate(RESOURCE, 4)
    assert (node.capacity(RESOURCE), node.allocatable(RESOURCE)) == (5, 4)


async def test_released_devices_are_free_again(
    node: SimulatedKubelet, plugin: ScriptedPlugin
) -> None:
    node.release(await node.allocate(RESOURCE, 4))
    assert (await node.allocate(RESOURCE)).ids == ("0",)
    assert {name for name, _ in plugin.calls} == {
        *("GetDevicePluginOptions", "ListAndWatch", "Allocate")
    }


async def test_more_than_is_free_is_refused_without_asking_the_plugin(
    node: SimulatedKubelet, plugin: ScriptedPlugin
) -> None:
    await node.allocate(RESOURCE)
    error = await admission_error(node, 4)
    assert error.details == (
        "requested number of devices unavailable for rdma/a. Requested: 4, Available: 3"
    )
    assert len(plugin.called("Allocate")) == 1


async def test_no_healthy_device_has_a_text_of_its_own(
    node: SimulatedKubelet, plugin: ScriptedPlugin
) -> None:
    plugin.push(unhealthy("x", "0", "1", "2", "3"))
    await node.wait_for(RESOURCE, lambda devices: "Healthy" not in devices.values())
    assert (await admission_error(node)).details == (
        "no healthy devices present; cannot allocate unhealthy devices rdma/a"
    )


async def test_a_resource_that_never_was_is_refused(kubelet: SimulatedKubelet) -> None:
    assert "cannot allocate unregistered device rdma/a" in (await admission_error(kubelet)).details


async def test_the_plugins_own_text_reaches_the_pod(
    node: SimulatedKubelet, plugin: ScriptedPlugin
) -> None:
    def refuse(_: pb.AllocateRequest) -> pb.AllocateResponse:
        raise LookupError("HCA mlx5_0 is gone")

    plugin.allocate = refuse
    error = await admission_error(node)
    assert (error.details, error.code) == ("HCA mlx5_0 is gone", grpc.StatusCode.NOT_FOUND)
    assert str(error) == (
        "Allocate failed due to rpc error: code = NOT_FOUND desc = HCA mlx5_0 is gone, "
        "which is unexpected"
    )
    assert node.allocated(RESOURCE) == frozenset()


async def test_an_empty_answer_is_an_error(node: SimulatedKubelet, plugin: ScriptedPlugin) -> None:
    plugin.allocate = lambda _: pb.AllocateResponse()
    assert "no containers return" in (await admission_error(node)).details
    assert node.allocated(RESOURCE) == frozenset()


async def test_only_the_first_answer_is_read(
    node: SimulatedKubelet, plugin: ScriptedPlugin
) -> None:
    answers = [pb.ContainerAllocateResponse(envs={"N": n}) for n in ("first", "second")]
    plugin.allocate = lambda _: pb.AllocateResponse(container_responses=answers)
    assert (await node.allocate(RESOURCE)).answer.envs["N"] == "first"


async def test_a_slow_allocate_delays_the_next_admission(
    node: SimulatedKubelet, plugin: ScriptedPlugin
) -> None:
    plugin.allocating.clear()
    first = asyncio.create_task(node.allocate(RESOURCE))
    await plugin.wait_until(lambda p: len(p.called("Allocate")) == 1)
    second = asyncio.create_task(node.allocate(RESOURCE))
    plugin.push(healthy("x", "0", "1", "2", "3"))
    await node.wait_for(RESOURCE, lambda devices: devices["x"] == "Healthy")
    assert len(plugin.called("Allocate")) == 1
    plugin.allocating.set()
    assert (await first).ids == ("0",)
    assert (await second).ids == ("x",)


async def test_an_allocate_under_way_fails_when_the_plugin_is_disconnected(
    node: SimulatedKubelet, plugin: ScriptedPlugin
) -> None:
    plugin.allocating.clear()
    admitted = asyncio.create_task(node.allocate(RESOURCE))
    await plugin.wait_until(lambda p: len(p.called("Allocate")) == 1)
    plugin.end_streams()
    with pytest.raises(UnexpectedAdmissionError, match="connection is closing"):
        await admitted
    assert node.allocated(RESOURCE) == frozenset()


async def test_ids_of_a_replaced_plugin_are_sent_unchecked(
    node: SimulatedKubelet, plugin: ScriptedPlugin
) -> None:
    await node.allocate(RESOURCE, ids=["gone", "x"])
    (request,) = plugin.called("Allocate")
    assert list(request.container_requests[0].devices_ids) == ["gone", "x"]


async def test_a_failure_frees_only_what_it_took(
    node: SimulatedKubelet, plugin: ScriptedPlugin
) -> None:
    await node.allocate(RESOURCE)
    plugin.allocate = lambda _: pb.AllocateResponse()
    with pytest.raises(UnexpectedAdmissionError):
        await node.allocate(RESOURCE, ids=["0", "1"])
    assert node.allocated(RESOURCE) == {"0"}


async def test_preference_is_not_asked_without_the_option(
    node: SimulatedKubelet, plugin: ScriptedPlugin
) -> None:
    await node.allocate(RESOURCE)
    assert plugin.called("GetPreferredAllocation") == []


async def test_preferred_devices_come_first_and_the_rest_is_filled(
    node: SimulatedKubelet, plugin: ScriptedPlugin
) -> None:
    await prefer(node, plugin, "3")
    assert (await node.allocate(RESOURCE, 2)).ids == ("3", "0")
    (request,) = plugin.called("GetPreferredAllocation")
    (container,) = request.container_requests
    assert list(container.available_deviceIDs) == ["0", "1", "2", "3"]
    assert container.allocation_size == 2


async def test_preferred_ids_that_were_not_offered_are_dropped(
    node: SimulatedKubelet, plugin: ScriptedPlugin
) -> None:
    await prefer(node, plugin, "x", "nobody", "2")
    assert (await node.allocate(RESOURCE, 2)).ids == ("2", "0")


async def test_preference_is_asked_even_if_all_are_needed(
    node: SimulatedKubelet, plugin: ScriptedPlugin
) -> None:
    await prefer(node, plugin)
    await node.allocate(RESOURCE, 4)
    assert len(plugin.called("GetPreferredAllocation")) == 1


async def test_an_error_of_preference_fails_the_admission(
    node: SimulatedKubelet, plugin: ScriptedPlugin
) -> None:
    def fail(_: pb.PreferredAllocationRequest) -> pb.PreferredAllocationResponse:
        raise ValueError("no idea")

    await prefer(node, plugin)
    plugin.preferred = fail
    assert "no idea" in (await admission_error(node)).details
    assert plugin.called("Allocate") == []


async def test_pre_start_is_not_called_without_the_option(
    node: SimulatedKubelet, plugin: ScriptedPlugin
) -> None:
    await node.start_container(await node.allocate(RESOURCE))
    assert plugin.called("PreStartContainer") == []


async def test_pre_start_is_called_at_each_start(
    node: SimulatedKubelet, plugin: ScriptedPlugin
) -> None:
    plugin.options.pre_start_required = True
    await plugin.register(node.socket, "a.sock")
    allocation = await node.allocate(RESOURCE, 2)
    assert plugin.called("PreStartContainer") == []
    await node.start_container(allocation)
    await node.start_container(allocation)
    asked = [list(request.devices_ids) for request in plugin.called("PreStartContainer")]
    assert asked == [["0", "1"], ["0", "1"]]


async def test_with_pre_start_no_container_starts_while_the_plugin_is_away(
    node: SimulatedKubelet, plugin: ScriptedPlugin
) -> None:
    plugin.options.pre_start_required = True
    await plugin.register(node.socket, "a.sock")
    allocation = await node.allocate(RESOURCE)
    await plugin.stop()
    await node.wait_for(RESOURCE, lambda devices: "Healthy" not in devices.values())
    with pytest.raises(UnexpectedAdmissionError, match="endpoint has been stopped"):
        await node.start_container(allocation)


def test_pre_start_has_30_seconds() -> None:
    assert admission.PRE_START_TIMEOUT == 30
