"""ListAndWatch: what kubelet makes of the lists and of their end."""

import asyncio

import pytest

from rdma_dp.kubelet.api import deviceplugin_pb2 as pb
from simulator.kubelet import (
    Disconnected,
    Forgotten,
    ListReceived,
    SimulatedKubelet,
    StreamEnded,
    UnexpectedAdmissionError,
    client,
    manager,
)
from simulator.kubelet.tasks import TaskSet
from tests.unit.simulator.kubelet.plugin import RESOURCE, ScriptedPlugin, healthy, unhealthy

FOUR_MIB = 4 * 1024 * 1024  # bytes


async def joined(kubelet: SimulatedKubelet, plugin: ScriptedPlugin) -> None:
    await plugin.join(kubelet.socket)
    await kubelet.wait_until(lambda k: any(isinstance(e, ListReceived) for e in k.events))


async def test_each_message_replaces_the_list(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin
) -> None:
    await joined(kubelet, plugin)
    plugin.push(unhealthy("0", "1") + healthy("2", "3", "4"))
    view = await kubelet.wait_for(RESOURCE, lambda devices: len(devices) == 5)
    assert list(view.values()) == ["Unhealthy"] * 2 + ["Healthy"] * 3


async def test_no_devices_is_registered_with_none(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin
) -> None:
    plugin.devices = []
    await joined(kubelet, plugin)
    assert kubelet.resources() == (RESOURCE,)
    assert (kubelet.capacity(RESOURCE), kubelet.allocatable(RESOURCE)) == (0, 0)


async def test_an_id_that_is_not_listed_any_more_is_a_violation(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin
) -> None:
    await joined(kubelet, plugin)
    plugin.push(healthy("0", "1", "2"))
    await kubelet.wait_for(RESOURCE, lambda devices: len(devices) == 3)
    (violation,) = kubelet.violations
    assert "1 ids (3) once listed" in violation


async def test_the_same_holds_across_a_restart_of_the_plugin(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin, other: ScriptedPlugin
) -> None:
    await joined(kubelet, plugin)
    await plugin.stop()
    await kubelet.wait_until(lambda k: Disconnected(RESOURCE) in k.events)
    other.devices = healthy("a", "b")
    await other.join(kubelet.socket)
    await kubelet.wait_for(RESOURCE, lambda devices: len(devices) == 2)
    assert "4 ids (0, 1, 2, ...) once listed" in kubelet.violations[0]


def list_of(size: int) -> list[pb.Device]:
    """Devices that make a message of exactly `size` bytes, in one long id."""
    device = pb.Device(ID="x" * size, health="Healthy")
    excess = pb.ListAndWatchResponse(devices=[device]).ByteSize() - size
    device.ID = "x" * (size - excess)
    assert pb.ListAndWatchResponse(devices=[device]).ByteSize() == size
    return [device]


async def test_a_message_of_4_mib_is_taken(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin
) -> None:
    plugin.devices = list_of(FOUR_MIB)
    await joined(kubelet, plugin)
    assert kubelet.allocatable(RESOURCE) == 1


async def test_a_larger_message_ends_the_endpoint(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin
) -> None:
    await joined(kubelet, plugin)
    plugin.push(list_of(FOUR_MIB + 1))
    await kubelet.wait_until(lambda k: Disconnected(RESOURCE) in k.events)
    (ended,) = (event for event in kubelet.events if isinstance(event, StreamEnded))
    assert ended.reason.startswith("RESOURCE_EXHAUSTED")
    assert kubelet.allocatable(RESOURCE) == 0


async def test_the_end_of_the_stream_makes_all_devices_unhealthy_at_once(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin
) -> None:
    await joined(kubelet, plugin)
    plugin.end_streams()
    await kubelet.wait_until(lambda k: Disconnected(RESOURCE) in k.events)
    assert kubelet.devices(RESOURCE) == dict.fromkeys(("0", "1", "2", "3"), "Unhealthy")
    assert (kubelet.capacity(RESOURCE), kubelet.allocatable(RESOURCE)) == (4, 0)


async def test_a_plugin_that_dies_says_the_same(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin
) -> None:
    await joined(kubelet, plugin)
    await plugin.stop()
    await kubelet.wait_for(RESOURCE, lambda devices: "Healthy" not in devices.values())


async def test_after_the_grace_the_resource_is_forgotten(
    forgetful_kubelet: SimulatedKubelet, plugin: ScriptedPlugin
) -> None:
    kubelet = forgetful_kubelet
    await joined(kubelet, plugin)
    plugin.end_streams()
    await kubelet.wait_until(lambda k: Forgotten(RESOURCE) in k.events)
    assert kubelet.resources() == ()
    assert kubelet.devices(RESOURCE) == {}
    with pytest.raises(UnexpectedAdmissionError, match="would run without it"):
        await kubelet.allocate(RESOURCE)


async def test_a_resource_from_before_a_restart_is_forgotten_too(
    forgetful_kubelet: SimulatedKubelet, plugin: ScriptedPlugin
) -> None:
    kubelet = forgetful_kubelet
    await joined(kubelet, plugin)
    await kubelet.stop()
    await kubelet.start()
    await kubelet.wait_until(lambda k: Forgotten(RESOURCE) in k.events)


async def test_a_plugin_that_is_back_in_time_is_not_forgotten(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin
) -> None:
    await joined(kubelet, plugin)
    plugin.end_streams()
    await kubelet.wait_until(lambda k: Disconnected(RESOURCE) in k.events)
    assert kubelet.leaving == {RESOURCE}
    await plugin.register(kubelet.socket, "a.sock")
    assert kubelet.leaving == frozenset()


def test_the_grace_is_five_minutes() -> None:
    assert manager.GRACE == 300


async def test_a_list_of_an_old_stream_does_not_revive_the_endpoint(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin, other: ScriptedPlugin
) -> None:
    await plugin.join(kubelet.socket, "old.sock")
    await other.join(kubelet.socket, "new.sock")
    await kubelet.wait_until(lambda k: sum(isinstance(e, ListReceived) for e in k.events) == 2)
    other.end_streams()
    await kubelet.wait_until(lambda k: Disconnected(RESOURCE) in k.events)
    plugin.push(healthy("0", "1", "2", "3"))
    await kubelet.wait_for(RESOURCE, lambda devices: "Healthy" in devices.values())
    with pytest.raises(UnexpectedAdmissionError, match="endpoint has been stopped"):
        await kubelet.allocate(RESOURCE)


async def test_a_plugin_that_is_dropped_at_once_opens_no_stream(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin
) -> None:
    socket = kubelet.root / "a.sock"
    await plugin.serve(socket)
    dropped = client.PluginClient(RESOURCE, socket, await client.dial(socket))
    await dropped.close()
    assert await dropped.listen(print) == client.CLOSED_BY_KUBELET
    assert plugin.calls == []


async def test_a_failure_in_the_background_is_seen_at_the_stop() -> None:
    async def fail() -> None:
        raise ValueError("broken")

    tasks = TaskSet()
    tasks.spawn(fail(), name="failing")
    await asyncio.sleep(0)
    with pytest.raises(ExceptionGroup) as raised:
        await tasks.cancel()
    assert raised.group_contains(ValueError, match="broken")
