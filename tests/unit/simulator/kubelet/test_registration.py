"""Registering through kubelet.sock, statement by statement of the contract."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest

from rdma_dp.aio.inotify import Inotify, Mask
from rdma_dp.kubelet.api import deviceplugin_pb2 as pb
from rdma_dp.kubelet.api import deviceplugin_pb2_grpc as rpc
from simulator.kubelet import (
    Disconnected,
    Faults,
    ListReceived,
    Refused,
    Registered,
    SimulatedKubelet,
    Started,
    Stopped,
    StreamEnded,
    Way,
    client,
)
from tests.unit.simulator.kubelet.plugin import (
    DEADLINE,
    RESOURCE,
    ScriptedPlugin,
    healthy,
    unhealthy,
)


async def refusal(
    plugin: ScriptedPlugin, kubelet: SimulatedKubelet, endpoint: str = "a.sock", **fields: Any
) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await plugin.register(kubelet.socket, endpoint, **fields)
    assert raised.value.code() is grpc.StatusCode.UNKNOWN
    return raised.value.details() or ""


def leave_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))


async def test_a_plugin_that_serves_and_registers_has_its_devices_on_the_node(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin
) -> None:
    plugin.devices = healthy("0", "1") + unhealthy("2")
    await plugin.join(kubelet.socket)
    view = await kubelet.wait_for(RESOURCE, lambda devices: len(devices) == 3)
    assert view == {"0": "Healthy", "1": "Healthy", "2": "Unhealthy"}
    assert kubelet.capacity(RESOURCE) == 3
    assert kubelet.allocatable(RESOURCE) == 2
    assert kubelet.resources() == (RESOURCE,)
    assert kubelet.events == [
        Started(removed=()),
        Registered(RESOURCE, kubelet.device_plugins_dir / "a.sock", Way.REGISTER),
        ListReceived(RESOURCE, healthy=2, unhealthy=1),
    ]
    assert kubelet.violations == []


@pytest.mark.parametrize("version", ["", "v1", "v1beta2", "V1BETA1"])
async def test_a_version_other_than_v1beta1_is_refused(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin, version: str
) -> None:
    await plugin.serve(kubelet.device_plugins_dir / "a.sock")
    assert "is not supported by kubelet" in await refusal(plugin, kubelet, version=version)
    assert plugin.calls == []
    assert isinstance(kubelet.events[-1], Refused)


async def test_a_kubelet_may_speak_another_version(root: Path, plugin: ScriptedPlugin) -> None:
    async with SimulatedKubelet(root, faults=Faults(version="v1")) as kubelet:
        assert "is not supported by kubelet" in await refusal(plugin, kubelet)


@pytest.mark.parametrize("name", ["cpu", "kubernetes.io/a", "requests.rdma/a", "rdma/" + "n" * 64])
async def test_a_bad_resource_name_is_refused(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin, name: str
) -> None:
    await plugin.serve(kubelet.device_plugins_dir / "a.sock")
    assert f'the ResourceName "{name}" is invalid' in await refusal(
        plugin, kubelet, resource_name=name
    )
    assert plugin.calls == []


async def test_an_absolute_endpoint_is_not_found_and_a_violation(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "DIAL_TIMEOUT", 0.1)
    endpoint = kubelet.device_plugins_dir / "a.sock"
    await plugin.serve(endpoint)
    reason = await refusal(plugin, kubelet, endpoint=str(endpoint))
    assert f"no process serves on {kubelet.device_plugins_dir}{endpoint}" in reason
    assert f"{RESOURCE}: absolute endpoint {endpoint}" in kubelet.violations


async def test_register_gives_up_when_nobody_serves(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "DIAL_TIMEOUT", 0.1)
    assert "failed to dial device plugin" in await refusal(plugin, kubelet)
    assert kubelet.resources() == ()


async def test_register_blocks_while_kubelet_dials_and_serving_too_late_is_a_violation(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin
) -> None:
    registering = asyncio.create_task(plugin.register(kubelet.socket, "a.sock"))
    await kubelet.wait_until(lambda k: "registered before it served" in str(k.violations))
    assert not registering.done()
    await plugin.serve(kubelet.device_plugins_dir / "a.sock")
    await registering
    await kubelet.wait_for(RESOURCE, lambda devices: len(devices) == 4)


async def test_register_returns_after_the_options_were_asked(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin
) -> None:
    await plugin.join(kubelet.socket)
    assert plugin.calls[0][0] == "GetDevicePluginOptions"


async def test_the_options_in_the_request_are_ignored(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin
) -> None:
    await plugin.serve(kubelet.device_plugins_dir / "a.sock")
    options = pb.DevicePluginOptions(get_preferred_allocation_available=True)
    await plugin.register(kubelet.socket, "a.sock", options=options)
    await kubelet.wait_for(RESOURCE, lambda devices: len(devices) == 4)
    await kubelet.allocate(RESOURCE)
    assert plugin.called("GetPreferredAllocation") == []


async def test_a_deadline_below_kubelets_own_is_a_violation(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin
) -> None:
    await plugin.serve(kubelet.device_plugins_dir / "a.sock")
    await plugin.register(kubelet.socket, "a.sock", deadline=9)
    assert "its deadline for Register is shorter" in str(kubelet.violations)


async def test_a_register_without_deadline_is_no_violation(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin
) -> None:
    await plugin.serve(kubelet.device_plugins_dir / "a.sock")
    async with grpc.aio.insecure_channel(f"unix:{kubelet.socket}") as channel:
        register = rpc.RegistrationStub(channel).Register
        await register(
            pb.RegisterRequest(version="v1beta1", resource_name=RESOURCE, endpoint="a.sock")
        )
    assert kubelet.violations == []


async def test_the_older_stream_stays_open_and_is_fed(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin, other: ScriptedPlugin
) -> None:
    await plugin.join(kubelet.socket, "old.sock")
    await plugin.wait_until(lambda p: p.streams_open == 1)
    other.devices = healthy("0", "1", "2", "3")
    await other.join(kubelet.socket, "new.sock")
    await other.wait_until(lambda p: p.streams_open == 1)
    plugin.push(unhealthy("0", "1", "2", "3"))
    await kubelet.wait_for(RESOURCE, lambda devices: set(devices.values()) == {"Unhealthy"})
    other.push(healthy("0", "1", "2", "3"))
    await kubelet.wait_for(RESOURCE, lambda devices: set(devices.values()) == {"Healthy"})
    assert plugin.streams_open == other.streams_open == 1


async def test_the_newest_plugin_is_the_one_that_allocates(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin, other: ScriptedPlugin
) -> None:
    await plugin.join(kubelet.socket, "old.sock")
    await other.join(kubelet.socket, "new.sock")
    await kubelet.wait_for(RESOURCE, lambda devices: len(devices) == 4)
    await kubelet.allocate(RESOURCE)
    assert (len(plugin.called("Allocate")), len(other.called("Allocate"))) == (0, 1)


async def test_the_end_of_an_old_stream_drops_the_current_plugin(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin, other: ScriptedPlugin
) -> None:
    await plugin.join(kubelet.socket, "old.sock")
    await other.join(kubelet.socket, "new.sock")
    await kubelet.wait_until(lambda k: sum(isinstance(e, ListReceived) for e in k.events) == 2)
    await plugin.stop()
    await other.wait_until(lambda p: p.streams_ended == 1)
    assert kubelet.allocatable(RESOURCE) == 0
    assert kubelet.capacity(RESOURCE) == 4
    await other.register(kubelet.socket, "new.sock")
    await kubelet.wait_for(RESOURCE, lambda devices: set(devices.values()) == {"Healthy"})
    assert kubelet.violations == []


async def test_registering_again_over_an_open_stream_is_a_violation(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin
) -> None:
    await plugin.join(kubelet.socket)
    await plugin.register(kubelet.socket, "a.sock")
    assert kubelet.violations == [f"{RESOURCE}: it registered again while its stream was open"]


async def test_another_process_under_the_same_name_may_register(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin, other: ScriptedPlugin
) -> None:
    await plugin.join(kubelet.socket)
    (kubelet.device_plugins_dir / "a.sock").unlink()
    await other.join(kubelet.socket)
    assert kubelet.violations == []


async def test_a_failed_registration_makes_kubelet_lose_sight_of_the_current_plugin(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    await plugin.join(kubelet.socket)
    await kubelet.wait_for(RESOURCE, lambda devices: len(devices) == 4)
    monkeypatch.setattr(client, "DIAL_TIMEOUT", 0.1)
    await refusal(plugin, kubelet, endpoint="nobody.sock")
    plugin.end_streams()
    await kubelet.wait_until(lambda k: any(isinstance(e, StreamEnded) for e in k.events))
    assert kubelet.allocatable(RESOURCE) == 4
    assert not any(isinstance(event, Disconnected) for event in kubelet.events)


async def test_at_its_start_kubelet_removes_every_socket_and_nothing_else(root: Path) -> None:
    directory = root / "device-plugins"
    (directory / "folder").mkdir(parents=True)
    for name in ("a.sock", ".hidden.sock", "kubelet.sock", "folder/inner.sock"):
        leave_socket(directory / name)
    for name in ("kubelet_internal_checkpoint", "file.sock"):
        (directory / name).write_text("kept")
    (directory / "dangling").symlink_to("nowhere")
    async with SimulatedKubelet(root) as kubelet:
        assert {path.name for path in directory.iterdir()} == {
            *("kubelet.sock", "folder", "kubelet_internal_checkpoint", "file.sock", "dangling")
        }
        assert (directory / "folder/inner.sock").is_socket()
        assert (directory / "file.sock").read_text() == "kept"
        assert kubelet.events == [Started(removed=(".hidden.sock", "a.sock", "kubelet.sock"))]


async def test_kubelet_sock_is_made_where_inotify_sees_it(root: Path) -> None:
    kubelet = SimulatedKubelet(root)
    kubelet.device_plugins_dir.mkdir(parents=True)
    with Inotify() as inotify:
        inotify.add_watch(kubelet.device_plugins_dir, Mask.CREATE)
        async with kubelet, asyncio.timeout(DEADLINE):
            await inotify.readable()
            event = inotify.read()[0]
            assert event.path == kubelet.socket
            assert kubelet.socket.is_socket()


def test_nothing_but_its_two_directories_is_in_the_root(
    kubelet: SimulatedKubelet, root: Path
) -> None:
    assert {path.name for path in root.iterdir()} == {"device-plugins", "plugins_registry"}


@pytest.mark.parametrize("end", [SimulatedKubelet.stop, SimulatedKubelet.kill])
async def test_kubelet_sock_stays_behind_and_nobody_answers(
    root: Path, plugin: ScriptedPlugin, end: object
) -> None:
    kubelet = SimulatedKubelet(root)
    await kubelet.start()
    await (kubelet.stop() if end is SimulatedKubelet.stop else kubelet.kill())
    assert kubelet.socket.is_socket()
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await plugin.register(kubelet.socket, "a.sock")
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
    assert (Stopped() in kubelet.events) == (end is SimulatedKubelet.stop)


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
async def test_as_a_program_it_prints_events_and_leaves_kubelet_sock(
    root: Path, plugin: ScriptedPlugin, end: signal.Signals
) -> None:
    command = [sys.executable, "-m", "simulator", "kubelet", str(root)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout
    async with asyncio.timeout(DEADLINE):
        assert await process.stdout.readline() == b"started, removed no old sockets\n"
        await plugin.join(root / "device-plugins/kubelet.sock")
        assert await process.stdout.readline() == (
            f"rdma/a: registered by device-plugins, socket {root}/device-plugins/a.sock\n".encode()
        )
        assert await process.stdout.readline() == b"rdma/a: list of 4 healthy, 0 unhealthy\n"
        process.send_signal(end)
        rest = await process.stdout.read()
        code = await process.wait()
    await plugin.wait_until(lambda p: p.streams_ended == 1)
    killed = end is signal.SIGKILL
    assert (code, rest) == ((-end, b"") if killed else (0, b"stopped\n"))
    assert (root / "device-plugins/kubelet.sock").is_socket()


@pytest.mark.parametrize("end", [SimulatedKubelet.stop, SimulatedKubelet.kill])
async def test_a_restart_closes_every_stream_and_begins_with_no_healthy_device(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin, end: object
) -> None:
    await plugin.join(kubelet.socket)
    await kubelet.wait_for(RESOURCE, lambda devices: len(devices) == 4)
    await (kubelet.stop() if end is SimulatedKubelet.stop else kubelet.kill())
    await plugin.wait_until(lambda p: p.streams_ended == 1)
    await kubelet.start()
    assert (kubelet.capacity(RESOURCE), kubelet.allocatable(RESOURCE)) == (0, 0)
    assert kubelet.resources() == (RESOURCE,)
    assert not (kubelet.device_plugins_dir / "a.sock").exists()
    assert plugin.streams_open == 0


async def test_a_plugin_comes_back_after_a_restart_with_its_allocations(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin
) -> None:
    await plugin.join(kubelet.socket)
    await kubelet.wait_for(RESOURCE, lambda devices: len(devices) == 4)
    await kubelet.allocate(RESOURCE)
    await kubelet.stop()
    await kubelet.start()
    await plugin.stop()
    await plugin.join(kubelet.socket)
    await kubelet.wait_for(RESOURCE, lambda devices: len(devices) == 4)
    assert kubelet.allocated(RESOURCE) == {"0"}
    assert (await kubelet.allocate(RESOURCE)).ids == ("1",)
    assert kubelet.violations == []


async def test_a_socket_that_is_unlinked_under_an_open_stream_changes_nothing(
    kubelet: SimulatedKubelet, plugin: ScriptedPlugin
) -> None:
    await plugin.join(kubelet.socket)
    await kubelet.wait_for(RESOURCE, lambda devices: len(devices) == 4)
    (kubelet.device_plugins_dir / "a.sock").unlink()
    plugin.push(healthy("0", "1", "2", "3", "4"))
    await kubelet.wait_for(RESOURCE, lambda devices: len(devices) == 5)
    assert (await kubelet.allocate(RESOURCE)).ids == ("0",)


async def test_a_kubelet_may_refuse_whatever_comes(root: Path, plugin: ScriptedPlugin) -> None:
    async with SimulatedKubelet(root, faults=Faults(refuse_register="not today")) as kubelet:
        assert await refusal(plugin, kubelet) == "not today"


async def test_a_kubelet_may_never_answer(root: Path, plugin: ScriptedPlugin) -> None:
    async with SimulatedKubelet(root, faults=Faults(hang_register=True)) as kubelet:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await plugin.register(kubelet.socket, "a.sock", deadline=0.2)
        assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_kubelet_may_have_no_kubelet_sock(root: Path) -> None:
    leftover = root / "device-plugins" / "a.sock"
    leftover.parent.mkdir()
    leave_socket(leftover)
    async with SimulatedKubelet(root, registration=False) as kubelet:
        assert not kubelet.socket.exists()
        assert not leftover.exists()


async def test_it_starts_once_and_stops_as_often_as_one_likes(kubelet: SimulatedKubelet) -> None:
    with pytest.raises(RuntimeError, match="runs already"):
        await kubelet.start()
    await kubelet.stop()
    await kubelet.stop()
    assert kubelet.events.count(Stopped()) == 1
    with pytest.raises(RuntimeError, match="does not run"):
        await kubelet.allocate(RESOURCE)


async def test_nothing_of_it_is_left_after_a_stop(root: Path, plugin: ScriptedPlugin) -> None:
    await plugin.serve(root / "p.sock")
    before = asyncio.all_tasks()
    async with SimulatedKubelet(root) as kubelet:
        os.link(root / "p.sock", kubelet.device_plugins_dir / "a.sock")
        os.link(root / "p.sock", kubelet.plugins_registry_dir / "a.sock")
        await plugin.register(kubelet.socket, "a.sock")
        await plugin.wait_until(lambda p: p.streams_open == 2)
        assert any(task.get_name().startswith("kubelet: ") for task in asyncio.all_tasks())
    left = {task.get_name() for task in asyncio.all_tasks() - before}
    assert [name for name in left if name.startswith("kubelet: ")] == []
    await plugin.wait_until(lambda p: p.streams_open == 0)
