"""Being found in plugins_registry, statement by statement of the contract."""

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from simulator.kubelet import (
    Disconnected,
    Faults,
    Refused,
    Registered,
    SimulatedKubelet,
    StreamEnded,
    Way,
    client,
    watcher,
)
from tests.unit.simulator.kubelet.plugin import RESOURCE, ScriptedPlugin


async def found(kubelet: SimulatedKubelet, resource: str = RESOURCE) -> None:
    await kubelet.wait_for(resource, lambda devices: "Healthy" in devices.values())


def registrations(kubelet: SimulatedKubelet) -> list[Path]:
    return [event.socket for event in kubelet.events if isinstance(event, Registered)]


async def refused(kubelet: SimulatedKubelet) -> Refused:
    await kubelet.wait_until(lambda k: any(isinstance(e, Refused) for e in k.events))
    return next(event for event in kubelet.events if isinstance(event, Refused))


async def test_a_socket_is_found_asked_and_told(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin
) -> None:
    socket = kubelet.plugins_registry_dir / "a.sock"
    await plugin.serve(socket)
    await found(kubelet)
    await plugin.wait_until(lambda p: bool(p.called("NotifyRegistrationStatus")))
    assert Registered(RESOURCE, socket, Way.WATCHER) in kubelet.events
    assert plugin.calls[0][0] == "GetInfo"
    (status,) = plugin.called("NotifyRegistrationStatus")
    assert (status.plugin_registered, status.error) == (True, "")
    assert kubelet.violations == []


async def test_the_endpoint_may_be_another_socket(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin, other: ScriptedPlugin
) -> None:
    endpoint = kubelet.root / "elsewhere.sock"
    await other.serve(endpoint)
    plugin.info.endpoint = str(endpoint)
    await plugin.serve(kubelet.plugins_registry_dir / "a.sock")
    await found(kubelet)
    assert registrations(kubelet) == [endpoint]
    assert (plugin.streams_open, other.streams_open) == (0, 1)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("type", "CSIPlugin", "no handler registered for plugin type: CSIPlugin"),
        ("name", "cpu", 'the ResourceName "cpu" is invalid'),
        ("name", "kubernetes.io/a", "is reserved"),
        ("supported_versions", ["v1"], "is not among plugin supported versions ['v1']"),
        ("supported_versions", [], "is not among plugin supported versions []"),
    ],
)
async def test_a_wrong_plugin_is_told_why_and_asked_again(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin, field: str, value: object, reason: str
) -> None:
    right = type(plugin.info)()
    right.CopyFrom(plugin.info)
    plugin.info.ClearField(field)  # type: ignore[arg-type] # one of the names above
    plugin.info.MergeFrom(type(plugin.info)(**{field: value}))  # type: ignore[arg-type] # likewise
    await plugin.serve(kubelet.plugins_registry_dir / "a.sock")
    assert reason in (await refused(kubelet)).reason
    status = plugin.called("NotifyRegistrationStatus")[0]
    assert not status.plugin_registered
    assert reason in status.error
    plugin.info.CopyFrom(right)
    await found(kubelet)


async def test_more_versions_than_v1beta1_do_no_harm(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin
) -> None:
    plugin.info.supported_versions.append("v1")
    await plugin.serve(kubelet.plugins_registry_dir / "a.sock")
    await found(kubelet)


async def test_getinfo_has_a_second_and_is_tried_again(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin
) -> None:
    plugin.inform = asyncio.Event().wait
    await plugin.serve(kubelet.plugins_registry_dir / "a.sock")
    assert "Deadline" in (await refused(kubelet)).reason
    plugin.inform = lambda: asyncio.sleep(0)
    await found(kubelet)


async def test_a_socket_where_nobody_serves_yet_is_dialled_until_somebody_does(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "DIAL_TIMEOUT", 0.1)
    await plugin.serve(kubelet.root / "dead.sock")
    os.link(kubelet.root / "dead.sock", kubelet.plugins_registry_dir / "a.sock")
    await found(kubelet)
    await plugin.stop()
    await kubelet.wait_until(lambda k: Disconnected(RESOURCE) in k.events)
    os.link(kubelet.plugins_registry_dir / "a.sock", kubelet.plugins_registry_dir / "b.sock")
    assert "no process serves on" in (await refused(kubelet)).reason


async def test_the_stream_may_open_before_the_notification(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin
) -> None:
    plugin.acknowledge = lambda: plugin.wait_until(lambda p: p.streams_open == 1)
    await plugin.serve(kubelet.plugins_registry_dir / "a.sock")
    await found(kubelet)
    assert not any(isinstance(event, Refused) for event in kubelet.events)


async def test_a_plugin_that_does_not_take_the_notification_is_dropped_and_tried_again(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin
) -> None:
    async def fail() -> None:
        plugin.acknowledge = lambda: asyncio.sleep(0)
        raise ValueError("not now")

    plugin.acknowledge = fail
    await plugin.serve(kubelet.plugins_registry_dir / "a.sock")
    await kubelet.wait_until(lambda k: len(registrations(k)) == 2)
    assert Disconnected(RESOURCE) in kubelet.events
    assert "NotifyRegistrationStatus" in (await refused(kubelet)).reason


async def test_a_kubelet_may_leave_the_notification_out(
    root: Path, plugin: ScriptedPlugin, other: ScriptedPlugin
) -> None:
    async with SimulatedKubelet(root, faults=Faults(skip_notify=True)) as kubelet:
        await plugin.serve(kubelet.plugins_registry_dir / "a.sock")
        await found(kubelet)
        await kubelet.stop()
    assert plugin.called("NotifyRegistrationStatus") == []


async def test_hidden_names_and_other_files_are_ignored(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin, other: ScriptedPlugin
) -> None:
    hidden, folder = kubelet.plugins_registry_dir / ".a.sock", kubelet.plugins_registry_dir / ".d"
    await plugin.serve(hidden)
    (kubelet.plugins_registry_dir / "file.sock").write_text("")
    folder.mkdir()
    await plugin.serve(folder / "b.sock")
    other.info.name = "rdma/b"
    await other.serve(kubelet.plugins_registry_dir / "z.sock")
    await found(kubelet, "rdma/b")
    assert plugin.calls == []
    assert kubelet.resources() == ("rdma/b",)
    assert not any("file.sock" in task.get_name() for task in asyncio.all_tasks())


async def test_a_socket_that_gets_its_name_by_a_rename_is_found(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin
) -> None:
    hidden = kubelet.plugins_registry_dir / ".a.sock"
    await plugin.serve(hidden)
    hidden.rename(kubelet.plugins_registry_dir / "a.sock")
    await found(kubelet)


async def test_subfolders_are_watched(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin, other: ScriptedPlugin
) -> None:
    folder = kubelet.plugins_registry_dir / "one" / "two"
    folder.mkdir(parents=True)
    await plugin.serve(folder / "a.sock")
    await found(kubelet)
    other.info.name = "rdma/b"
    await other.serve(folder / "b.sock")  # the folder is known by now
    await found(kubelet, "rdma/b")


async def test_subfolders_from_before_the_start_are_watched(
    root: Path, plugin: ScriptedPlugin, other: ScriptedPlugin
) -> None:
    folder = root / "plugins_registry" / "one"
    folder.mkdir(parents=True)
    await plugin.serve(folder / "a.sock")
    async with SimulatedKubelet(root) as kubelet:
        await found(kubelet)
        other.info.name = "rdma/b"
        await other.serve(folder / "b.sock")
        await found(kubelet, "rdma/b")


def test_retries_start_at_half_a_second_and_double_to_122() -> None:
    pauses = [watcher.FIRST_RETRY]
    for _ in range(9):
        pauses.append(watcher.next_pause(pauses[-1]))
    assert pauses == [0.5, 1, 2, 4, 8, 16, 32, 64, 122, 122]


def test_limits_are_kubelets() -> None:
    limits = (client.DIAL_TIMEOUT, watcher.GET_INFO_TIMEOUT, watcher.NOTIFY_TIMEOUT)
    assert limits == (10, 1, 5)


async def test_a_failing_plugin_is_retried_with_longer_and_longer_pauses(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    def remember(pause: float) -> float:
        pauses.append(pause)
        return 2 * pause

    monkeypatch.setattr(watcher, "FIRST_RETRY", 0.001)
    monkeypatch.setattr(watcher, "next_pause", remember)
    plugin.info.type = "wrong"
    await plugin.serve(kubelet.plugins_registry_dir / "a.sock")
    await plugin.wait_until(lambda p: len(p.called("GetInfo")) == 5)
    assert pauses[:4] == [0.001, 0.002, 0.004, 0.008]


async def test_a_socket_made_anew_is_unregistered_and_registered_again(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin, other: ScriptedPlugin
) -> None:
    socket = kubelet.plugins_registry_dir / "a.sock"
    await plugin.serve(socket)
    await found(kubelet)
    socket.unlink()
    await other.serve(socket)
    await kubelet.wait_until(lambda k: registrations(k) == [socket, socket])
    await found(kubelet)
    kinds = [type(e) for e in kubelet.events if isinstance(e, Registered | Disconnected)]
    assert kinds == [Registered, Disconnected, Registered]
    await plugin.wait_until(lambda p: p.streams_open == 0)
    assert other.streams_open == 1


async def test_a_socket_replaced_by_a_rename_is_registered_again(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin, other: ScriptedPlugin
) -> None:
    socket = kubelet.plugins_registry_dir / "a.sock"
    await plugin.serve(socket)
    await found(kubelet)
    await other.serve(socket.with_name(".new"))
    socket.with_name(".new").rename(socket)
    await other.wait_until(lambda p: p.streams_open == 1)


async def test_a_socket_that_is_removed_is_unregistered_though_the_plugin_lives(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin
) -> None:
    socket = kubelet.plugins_registry_dir / "a.sock"
    await plugin.serve(socket)
    await found(kubelet)
    socket.unlink()
    await plugin.wait_until(lambda p: p.streams_ended == 1)
    assert kubelet.allocatable(RESOURCE) == 0


async def test_after_a_restart_kubelet_finds_the_socket_itself(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin
) -> None:
    await plugin.serve(kubelet.plugins_registry_dir / "a.sock")
    await found(kubelet)
    await kubelet.stop()
    await kubelet.start()
    assert kubelet.allocatable(RESOURCE) == 0
    await found(kubelet)


async def test_a_registered_socket_whose_stream_ended_is_never_dialled_again(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin, other: ScriptedPlugin
) -> None:
    socket = kubelet.plugins_registry_dir / "a.sock"
    await plugin.serve(socket)
    await found(kubelet)
    plugin.end_streams()
    await kubelet.wait_until(lambda k: any(isinstance(e, StreamEnded) for e in k.events))
    other.info.name = "rdma/b"
    await other.serve(kubelet.plugins_registry_dir / "b.sock")
    await found(kubelet, "rdma/b")
    assert len(plugin.called("GetInfo")) == 1
    assert kubelet.allocatable(RESOURCE) == 0
    socket.unlink()
    await plugin.serve(socket)  # bound anew: the only way back
    await found(kubelet)


async def test_with_two_sockets_for_a_resource_stopping_one_disconnects_the_other_for_good(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin, other: ScriptedPlugin
) -> None:
    old, new = (kubelet.plugins_registry_dir / name for name in ("old.sock", "new.sock"))
    await plugin.serve(old)
    await found(kubelet)
    await other.serve(new)
    await other.wait_until(lambda p: p.streams_open == 1)
    await plugin.stop()
    await other.wait_until(lambda p: p.streams_ended == 1)
    third = kubelet.plugins_registry_dir / "third.sock"
    plugin.info.name = "rdma/b"
    await plugin.serve(third)
    await found(kubelet, "rdma/b")
    assert registrations(kubelet) == [old, new, third]
    assert kubelet.allocatable(RESOURCE) == 0


async def test_without_the_watcher_nobody_asks(root: Path, plugin: ScriptedPlugin) -> None:
    async with SimulatedKubelet(root, watcher=False) as kubelet:
        await plugin.serve(kubelet.plugins_registry_dir / "a.sock")
        await plugin.serve(kubelet.device_plugins_dir / "a.sock")
        await plugin.register(kubelet.socket, "a.sock")
        await found(kubelet)
    assert plugin.called("GetInfo") == []


async def test_a_folder_that_is_removed_takes_its_plugin_along(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin
) -> None:
    folder = kubelet.plugins_registry_dir / "one"
    folder.mkdir()
    await plugin.serve(folder / "a.sock")
    await found(kubelet)
    shutil.rmtree(folder)
    await plugin.wait_until(lambda p: p.streams_ended == 1)
