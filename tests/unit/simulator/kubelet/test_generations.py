"""Two plugins of one resource on a kubelet from 1.37 on, which has a client of each path."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from simulator.kubelet import (
    Disconnected,
    ListReceived,
    Promoted,
    SimulatedKubelet,
    StreamEnded,
    UnexpectedAdmissionError,
)
from tests.unit.simulator.kubelet.plugin import RESOURCE, ScriptedPlugin, healthy


@pytest.fixture
async def kubelet(root: Path) -> AsyncIterator[SimulatedKubelet]:
    async with SimulatedKubelet(root, per_path=True) as running:
        yield running


async def lists(kubelet: SimulatedKubelet, number: int) -> None:
    await kubelet.wait_until(
        lambda k: sum(isinstance(event, ListReceived) for event in k.events) == number
    )


async def ended(kubelet: SimulatedKubelet, number: int = 1) -> None:
    await kubelet.wait_until(
        lambda k: sum(isinstance(event, StreamEnded) for event in k.events) == number
    )


async def both(kubelet: SimulatedKubelet, old: ScriptedPlugin, new: ScriptedPlugin) -> None:
    await old.join(kubelet.socket, "old.sock")
    await lists(kubelet, 1)
    await new.join(kubelet.socket, "new.sock")
    await lists(kubelet, 2)


def promoted(kubelet: SimulatedKubelet) -> list[str]:
    return [event.socket.name for event in kubelet.events if isinstance(event, Promoted)]


async def refused(plugin: ScriptedPlugin, kubelet: SimulatedKubelet, endpoint: str) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await plugin.register(kubelet.socket, endpoint)
    return raised.value.details() or ""


async def test_the_end_of_an_old_stream_drops_only_its_own_client(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin, other: ScriptedPlugin
) -> None:
    await both(kubelet, plugin, other)
    await plugin.stop()
    await kubelet.wait_until(lambda k: bool(promoted(k)))
    assert kubelet.allocatable(RESOURCE) == 4
    await kubelet.allocate(RESOURCE)
    assert len(other.called("Allocate")) == 1
    assert other.streams_open == 1


async def test_when_the_current_plugin_ends_another_one_takes_its_place(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin, other: ScriptedPlugin
) -> None:
    other.devices = healthy("0", "1", "2", "3", "4")
    await both(kubelet, plugin, other)
    await other.stop()
    await kubelet.wait_until(lambda k: bool(promoted(k)))
    assert promoted(kubelet) == ["old.sock"]
    assert kubelet.allocatable(RESOURCE) == 5, "the list is the one that was received last"
    await kubelet.allocate(RESOURCE)
    assert len(plugin.called("Allocate")) == 1


async def test_the_end_of_the_last_one_makes_all_devices_unhealthy(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin, other: ScriptedPlugin
) -> None:
    await both(kubelet, plugin, other)
    await other.stop()
    await kubelet.wait_until(lambda k: bool(promoted(k)))
    await plugin.stop()
    await kubelet.wait_until(lambda k: Disconnected(RESOURCE) in k.events)
    assert (kubelet.capacity(RESOURCE), kubelet.allocatable(RESOURCE)) == (4, 0)
    assert kubelet.leaving == {RESOURCE}


async def test_a_path_that_is_connected_is_refused_after_the_question_for_the_options(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin
) -> None:
    await plugin.join(kubelet.socket)
    await lists(kubelet, 1)
    path = kubelet.device_plugins_dir / "a.sock"
    assert await refused(plugin, kubelet, "a.sock") == f"device plugin already connected: {path}"
    assert len(plugin.called("GetDevicePluginOptions")) == 2
    assert kubelet.allocatable(RESOURCE) == 4
    await kubelet.allocate(RESOURCE)


async def test_after_that_the_end_of_its_stream_is_never_noticed(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin, other: ScriptedPlugin
) -> None:
    """Also another plugin that comes and ends changes nothing: its place goes to the dead one."""
    await plugin.join(kubelet.socket)
    await lists(kubelet, 1)
    await refused(plugin, kubelet, "a.sock")
    await plugin.stop()
    await ended(kubelet)
    assert kubelet.allocatable(RESOURCE) == 4
    with pytest.raises(UnexpectedAdmissionError):
        await kubelet.allocate(RESOURCE)
    await other.join(kubelet.socket, "other.sock")
    await lists(kubelet, 2)
    await other.stop()
    await kubelet.wait_until(lambda k: bool(promoted(k)))
    assert promoted(kubelet) == ["a.sock"]
    assert kubelet.allocatable(RESOURCE) == 4
    assert Disconnected(RESOURCE) not in kubelet.events


async def test_a_link_is_another_path_of_the_same_plugin(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin
) -> None:
    await plugin.join(kubelet.socket)
    await lists(kubelet, 1)
    os.link(kubelet.device_plugins_dir / "a.sock", kubelet.device_plugins_dir / "link.sock")
    await plugin.register(kubelet.socket, "link.sock")
    await plugin.wait_until(lambda p: p.streams_open == 2)
    assert kubelet.violations == [f"{RESOURCE}: it registered again while its stream was open"]
    await plugin.stop()
    await kubelet.wait_until(lambda k: Disconnected(RESOURCE) in k.events)


async def test_a_registration_that_fails_has_no_effect_on_other_paths(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin, other: ScriptedPlugin
) -> None:
    await plugin.join(kubelet.socket)
    await lists(kubelet, 1)
    await other.serve(kubelet.device_plugins_dir / "other.sock")
    other.refuses = True
    assert "not now" in await refused(other, kubelet, "other.sock")
    plugin.end_streams()
    await kubelet.wait_until(lambda k: Disconnected(RESOURCE) in k.events)
    assert kubelet.allocatable(RESOURCE) == 0


async def test_a_path_whose_stream_has_ended_may_register_again(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin
) -> None:
    await plugin.join(kubelet.socket)
    await lists(kubelet, 1)
    plugin.end_streams()
    await kubelet.wait_until(lambda k: Disconnected(RESOURCE) in k.events)
    await plugin.register(kubelet.socket, "a.sock")
    await kubelet.wait_for(RESOURCE, lambda devices: set(devices.values()) == {"Healthy"})
    assert kubelet.violations == []


async def test_the_watcher_drops_the_client_of_the_socket_that_is_gone(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin, other: ScriptedPlugin
) -> None:
    found = kubelet.plugins_registry_dir / "found.sock"
    await plugin.serve(found)
    await lists(kubelet, 1)
    await other.join(kubelet.socket, "called.sock")
    await lists(kubelet, 2)
    found.unlink()
    await kubelet.wait_until(lambda k: bool(promoted(k)))
    assert promoted(kubelet) == ["called.sock"]
    await plugin.wait_until(lambda p: p.streams_open == 0)
    assert other.streams_open == 1


async def test_a_restart_forgets_every_path(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin
) -> None:
    await plugin.join(kubelet.socket)
    await lists(kubelet, 1)
    await refused(plugin, kubelet, "a.sock")
    await kubelet.stop()
    await kubelet.start()
    assert kubelet.allocatable(RESOURCE) == 0
    await plugin.stop()
    await plugin.join(kubelet.socket)
    await kubelet.wait_for(RESOURCE, lambda devices: set(devices.values()) == {"Healthy"})
