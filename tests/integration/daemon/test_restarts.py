"""kubelet restarts, and gets the newest list each time, without a change of the hardware."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from rdma_dp.kubelet.api import deviceplugin_pb2 as pb
from rdma_dp.kubelet.api import pluginregistration_pb2 as info_pb
from rdma_dp.kubelet.api import pluginregistration_pb2_grpc as info_rpc
from rdma_dp.kubelet.sockets import identity
from simulator.kubelet import Registered, SimulatedKubelet
from tests.integration.daemon.process import (
    BOTH_KUBELETS,
    NAME,
    WAYS,
    Node,
    appears,
    dialled,
    entry,
    healthy,
)


@BOTH_KUBELETS
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_kubelet_restarted_several_times_in_a_row(
    node: Node, kubelet: SimulatedKubelet, way: str, end: str
) -> None:
    async with node.daemon("--registration", way):
        for _ in range(5):
            await kubelet.wait_for(NAME, healthy(4))
            await getattr(kubelet, end)()
            await kubelet.start()
        await kubelet.wait_for(NAME, healthy(4))


@pytest.mark.parametrize("way", WAYS)
async def test_kubelet_restarted_again_before_anybody_came(node: Node, way: str) -> None:
    root = node.kubelet_root
    async with SimulatedKubelet(root) as kubelet, node.daemon("--registration", way):
        await kubelet.wait_for(NAME, healthy(4))
        for _ in range(10):
            await kubelet.kill()
            await kubelet.start()
        await kubelet.wait_for(NAME, healthy(4))
    # A call may reach the next kubelet, which has removed the socket that the call names.
    assert all("registered before it served" in each for each in kubelet.violations)


@pytest.mark.parametrize("way", WAYS)
async def test_kubelet_back_after_an_absence(
    node: Node, kubelet: SimulatedKubelet, way: str
) -> None:
    """Its socket stays, but no process answers. The list changes in the meantime."""
    async with node.daemon("--registration", way) as daemon:
        await kubelet.wait_for(NAME, healthy(4))
        await kubelet.stop()
        node.unplug_all()
        await daemon.says("0 of 4 slots healthy")
        await kubelet.start()
        await kubelet.wait_for(NAME, healthy(0, of=4))
        node.plug_all()
        await kubelet.wait_for(NAME, healthy(4))


async def test_kubelet_sock_made_anew_while_the_stream_and_our_own_socket_stay(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    """Defect 9 of the Go plugin: it watches only its own socket."""
    async with node.daemon("--registration", "device-plugins") as daemon:
        await kubelet.wait_for(NAME, healthy(4))
        (socket,) = node.sockets()
        async with SimulatedKubelet(node.directory / "second") as second:
            fresh = kubelet.socket.with_suffix(".fresh")
            os.link(second.socket, fresh)
            # The second kubelet finds the plugin in the same directory, but removes no sockets.
            second.device_plugins_dir.rename(second.root / "unused")
            second.device_plugins_dir.symlink_to(kubelet.device_plugins_dir)
            fresh.rename(kubelet.socket)
            await second.wait_for(NAME, healthy(4))
            await daemon.says("kubelet.sock was made anew")
            assert node.sockets() == [socket]
            await daemon.stop()
        assert second.violations == []


@pytest.mark.parametrize("way", WAYS)
async def test_a_socket_swept_away_at_kubelets_start_is_made_anew(
    node: Node, kubelet: SimulatedKubelet, way: str
) -> None:
    async with node.daemon("--registration", way):
        await kubelet.wait_for(NAME, healthy(4))
        await kubelet.kill()
        for path in node.sockets():
            path.unlink()
        await kubelet.start()
        await kubelet.wait_for(NAME, healthy(4))
        assert len(node.sockets()) == 1


async def test_a_socket_removed_from_the_registry_is_made_anew(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    """Defect 10 of the Go plugin: it does not restore a removed socket."""
    async with node.daemon("--registration", "plugins-registry") as daemon:
        await kubelet.wait_for(NAME, healthy(4))
        (socket,) = node.sockets()
        before = len([e for e in kubelet.events if isinstance(e, Registered)])
        socket.unlink()
        # the daemon may notice first that its socket is gone, or that kubelet is
        await daemon.says("making a new socket")
        await kubelet.wait_until(
            lambda k: len([e for e in k.events if isinstance(e, Registered)]) > before
        )
        await kubelet.wait_for(NAME, healthy(4))
        assert node.sockets() == [socket]


async def test_a_failed_notification_leads_to_a_new_socket_told_once(node: Node) -> None:
    """Defect 10 of the Go plugin: its socket stays gone, while the process runs."""
    node.plugins_registry.mkdir(parents=True)
    async with node.daemon("--registration", "plugins-registry") as daemon:
        await appears(node.plugins_registry, lambda: bool(node.visible_sockets()))
        for _ in range(3):
            (socket,) = node.visible_sockets()
            before = identity(socket)
            async with _watcher(socket) as watcher:
                info = await watcher.GetInfo(info_pb.InfoRequest())
                assert (info.type, info.name, info.endpoint) == ("DevicePlugin", NAME, "")
                assert list(info.supported_versions) == ["v1beta1"]
                status = info_pb.RegistrationStatus(plugin_registered=False, error="no room")
                await watcher.NotifyRegistrationStatus(status)
            await appears(node.plugins_registry, _another_than(node, before))
        line = await daemon.says("kubelet refused the registration")
        assert "no room" in line
        assert daemon.count("kubelet refused the registration") == 1


async def test_a_stream_that_kubelet_closed_leads_to_a_new_registration(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    """kubelet never dials a socket again after any of its streams has ended."""
    for way in WAYS:
        async with node.daemon("--registration", way):
            await kubelet.wait_for(NAME, healthy(4))
            await _drop(kubelet)
            await kubelet.wait_for(NAME, healthy(4))


async def test_a_list_is_not_sent_again_when_nothing_changed(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    """The socket stays as it is, too: neither process registers again."""
    async with node.daemon("--registration", "device-plugins") as daemon:
        await kubelet.wait_for(NAME, healthy(4))
        (socket,) = node.sockets()
        before, events = identity(socket), len(kubelet.events)
        node.host.unplug("mlx5_1")
        await daemon.says("lost mlx5_1")
        node.host.plug("mlx5_1")
        await daemon.says("found mlx5_1")
        async with dialled(socket) as stub:
            await stub.GetDevicePluginOptions(pb.Empty())
        assert identity(socket) == before
        assert len(kubelet.events) == events


async def test_thirty_resources_come_back_together(node: Node, kubelet: SimulatedKubelet) -> None:
    names = [f"r{number}" for number in range(30)]
    node.configure(*(entry(name) for name in names))
    async with node.daemon("--registration", "device-plugins"):
        for _ in range(3):
            for name in names:
                await kubelet.wait_for(f"rdma/{name}", healthy(4))
            await kubelet.stop()
            await kubelet.start()
        for name in names:
            await kubelet.wait_for(f"rdma/{name}", healthy(4))


async def _drop(kubelet: SimulatedKubelet) -> None:
    """kubelet closes the plugin's connection without a restart."""
    await kubelet.disconnect(NAME)
    await kubelet.wait_for(NAME, healthy(0, of=4))


def _another_than(node: Node, known: tuple[int, int] | None) -> Callable[[], bool]:
    return lambda: any(identity(path) not in (None, known) for path in node.visible_sockets())


@asynccontextmanager
async def _watcher(socket: Path) -> AsyncIterator[Any]:
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(f"unix:{socket}", options=options) as channel:
        yield info_rpc.RegistrationStub(channel)
