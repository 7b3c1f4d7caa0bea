"""A6: a kubelet that does not connect is reported once, in both modes."""

import asyncio
from pathlib import Path

import grpc
import pytest

from rdma_dp.aio.backoff import Backoff
from rdma_dp.aio.directory_watch import DirectoryWatch
from rdma_dp.aio.latest import Latest
from rdma_dp.kubelet.api import pluginregistration_pb2 as pb
from rdma_dp.kubelet.api import pluginregistration_pb2_grpc as rpc
from rdma_dp.kubelet.device_plugin.servicer import Plugin
from rdma_dp.kubelet.registration.by_watcher import PluginsRegistryRegistration
from tests.logs import Log
from tests.unit.kubelet.nodes import appears, pool

DEADLINE = 0.3


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Backoff, "delay", lambda _: 0.05)


async def _talk(socket: Path, *, registered: bool) -> None:
    async with grpc.aio.insecure_channel(f"unix:{socket}") as channel:
        stub = rpc.RegistrationStub(channel)
        await stub.GetInfo(pb.InfoRequest())
        if registered:
            await stub.NotifyRegistrationStatus(pb.RegistrationStatus(plugin_registered=True))


@pytest.mark.parametrize("registered", [None, False, True])
async def test_a_watcher_that_never_opens_a_stream(
    directory: Path, lines: Log, registered: bool | None
) -> None:
    """A6: it does not ask, asks, or even reports that the socket is registered."""
    kubelet = directory / "kubelet.sock"
    plugin, socket = Plugin(Latest(pool(0))), directory / "registry" / "own.sock"
    socket.parent.mkdir()
    watch = DirectoryWatch(socket.parent)
    registration = PluginsRegistryRegistration(plugin, socket, kubelet, watch, deadline=DEADLINE)
    server = await asyncio.start_unix_server(lambda _, writer: writer.close(), kubelet)
    tasks = [asyncio.create_task(watch.run()), asyncio.create_task(registration.run())]
    try:
        await appears(socket.parent, socket.exists)
        if registered is not None:
            await _talk(socket, registered=registered)
        await lines.until("opened no ListAndWatch within")
        asked = "asked for" if registered is not None else "did not ask for"
        assert lines.count(f"not connected: kubelet {asked} the socket") == 1
        assert plugin.trouble.text is not None
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        server.close()
