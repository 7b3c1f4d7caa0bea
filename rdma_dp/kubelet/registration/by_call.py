"""Registering by calling kubelet: Register on kubelet.sock in the device-plugins directory.

A new file under the name kubelet.sock is a new kubelet, which knows nobody. The file alone says
little: kubelet leaves it behind when it ends.
"""

import asyncio
import logging
from pathlib import Path

import grpc

from rdma_dp.aio.backoff import Backoff
from rdma_dp.aio.directory_watch import DirectoryWatch
from rdma_dp.aio.latest import first_of
from rdma_dp.kubelet.device_plugin.servicer import Plugin
from rdma_dp.kubelet.device_plugin.status_service import services
from rdma_dp.kubelet.directories import KUBELET_SOCKET
from rdma_dp.kubelet.registration.handover import leave
from rdma_dp.kubelet.registration.peers import MOST_STREAMS, PEER_GONE, Peers
from rdma_dp.kubelet.registration.register_call import (
    REGISTER_DEADLINE,
    STREAM_TIMEOUT,
    Registrar,
)
from rdma_dp.kubelet.sockets import SocketError, SocketServer, identity

logger = logging.getLogger(__name__)

# Seconds in which one that only registers again has a socket again.
_COMES_BACK = 0.3

_NEW_KUBELET = "kubelet.sock was made anew"

Identity = tuple[int, int]


class DevicePluginsRegistration:
    """Keeps one resource registered for as long as `run` runs."""

    def __init__(self, plugin: Plugin, socket: Path, watch: DirectoryWatch) -> None:
        self._plugin = plugin
        self._kubelet = socket.with_name(KUBELET_SOCKET)
        self._watch = watch
        self._backoff = Backoff()
        self._trouble = plugin.trouble
        self._server = SocketServer(socket, services(plugin, "device-plugins"))
        self._peers = Peers(socket, watch)
        self._registrar = Registrar(plugin, socket, self._kubelet, self._peers)

    async def run(self) -> None:
        """Registers, waits until that is lost, and registers again."""
        try:
            while True:
                await self._keep_once()
        except asyncio.CancelledError:
            await leave(self._plugin, self._registrar, self._peers)
            raise
        finally:
            await self._server.stop()

    async def _keep_once(self) -> None:
        kubelet = await self._present()
        try:
            # A fresh server each time: kubelet drops the resource when ANY of its streams ends, so
            # no stream of an older registration may be left.
            await self._server.stop()
            self._plugin.forget_streams()
            await self._server.start()
            # From before the registration on: what happens during it is no less of a loss.
            reason = await first_of(self._registered(), self._made_anew(kubelet))
        except (SocketError, grpc.aio.AioRpcError) as error:
            self._trouble.tell(_why_not(error))
            await self._pause(kubelet)
            return
        self._trouble.tell(f"{reason}; registering again")
        if reason == _NEW_KUBELET:
            self._backoff.reset()
        else:
            await self._pause(kubelet)

    async def _pause(self, kubelet: Identity) -> None:
        """Until it is worth another try: soon after a new kubelet's start, else ever later."""
        pause = asyncio.sleep(self._backoff.delay(), "")
        if await first_of(pause, self._made_anew(kubelet)) == _NEW_KUBELET:
            self._backoff.reset()

    async def _present(self) -> Identity:
        async for _ in self._watch.changes.watch():
            found = identity(self._kubelet)
            if found is not None:
                return found
            self._trouble.tell(f"waiting for kubelet: there is no {self._kubelet}")
        raise AssertionError("watch() never ends")

    async def _registered(self) -> str:
        """Registers; returns when that is lost again."""
        while True:
            before = self._plugin.streams.value.opened
            await self._registrar.register()
            self._trouble.over()
            logger.info("%s: registered with kubelet", self._plugin.resource)
            reason = await first_of(self._stream_lost(before), self._peers.gone(_COMES_BACK))
            if reason != PEER_GONE or self._plugin.streams.value.open >= MOST_STREAMS:
                return reason
            # On the same socket, with the old stream open: neither the count nor an Allocate
            # suffers. kubelet closes only the new one when it drops us, hence the number of them.
            logger.info("%s: %s; registering once more", self._plugin.resource, reason)

    async def _made_anew(self, known: Identity) -> str:
        await self._watch.changes.until(
            lambda _: identity(self._kubelet) not in (known, None),
        )
        return _NEW_KUBELET

    async def _stream_lost(self, before: int) -> str:
        """Until any stream ends, or no further one than `before` is opened in time."""
        try:
            async with asyncio.timeout(STREAM_TIMEOUT):
                await self._plugin.streams.until(lambda streams: streams.opened > before)
        except TimeoutError:
            return f"kubelet opened no ListAndWatch within {STREAM_TIMEOUT:.0f} s"
        await self._plugin.streams.until(lambda streams: streams.closed > 0)
        return "kubelet closed ListAndWatch"


def _why_not(error: SocketError | grpc.aio.AioRpcError) -> str:
    if isinstance(error, SocketError):
        return str(error)
    if error.code() == grpc.StatusCode.UNAVAILABLE:
        return "waiting for kubelet: its socket is there, but nobody answers"
    if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
        return f"kubelet did not answer Register within {REGISTER_DEADLINE:.0f} s; trying again"
    return f"kubelet refused the registration: {error.details()}; trying again"
