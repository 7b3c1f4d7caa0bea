"""Registering by being found: a socket in plugins_registry, which kubelet's watcher dials.

A kubelet that was restarted finds the socket again by itself. One that goes on never dials again a
socket whose stream ended: there, a lost registration needs a new socket.
"""

import asyncio
import logging
from functools import partial
from pathlib import Path
from typing import Any

import grpc

from rdma_dp.aio.backoff import Backoff
from rdma_dp.aio.directory_watch import DirectoryWatch
from rdma_dp.aio.latest import Latest, first_of
from rdma_dp.kubelet.api import pluginregistration_pb2 as pb
from rdma_dp.kubelet.api import pluginregistration_pb2_grpc
from rdma_dp.kubelet.device_plugin import messages
from rdma_dp.kubelet.device_plugin.servicer import Plugin, Streams
from rdma_dp.kubelet.device_plugin.status_service import services
from rdma_dp.kubelet.registration.handover import leave
from rdma_dp.kubelet.registration.peers import MOST_STREAMS, Peers
from rdma_dp.kubelet.registration.register_call import STREAM_TIMEOUT, Registrar
from rdma_dp.kubelet.sockets import SocketError, SocketServer, identity, is_dead

logger = logging.getLogger(__name__)

Context = grpc.aio.ServicerContext[Any, Any]

# Seconds between two looks at whether a kubelet is there, and seconds in which one that is there
# has dialled what is in its directory: its watcher does so within a second of its start.
_LOOK = 0.5
_DIALS = 3.0

# Seconds in which kubelet has seen that a socket is gone, which drops whoever is registered by
# then: it looks once a second (pkg/kubelet/pluginmanager/plugin_manager.go: loopSleepDuration).
_SEES = 2.5

# Seconds in which a kubelet that was told of the socket has opened a stream to it.
_OPENS = 20.0

# kubelet's name for this kind of plugin (staging/src/k8s.io/kubelet/pkg/apis/pluginregistration).
_PLUGIN_TYPE = "DevicePlugin"


class _Introduction(pluginregistration_pb2_grpc.RegistrationServicer):
    """What kubelet's plugin watcher asks of a socket that it found."""

    def __init__(self, resource: str) -> None:
        self._resource = resource
        self.registered = Latest(False)
        self.asked = Latest(False)
        self.refusal: Latest[str | None] = Latest(None)

    async def GetInfo(self, request: pb.InfoRequest, context: Context) -> Any:
        self.asked.set(True)
        # An empty endpoint means this very socket, wherever kubelet's root directory is.
        return pb.PluginInfo(
            type=_PLUGIN_TYPE,
            name=self._resource,
            endpoint="",
            supported_versions=[messages.API_VERSION],
        )

    async def NotifyRegistrationStatus(
        self, request: pb.RegistrationStatus, context: Context
    ) -> Any:
        if request.plugin_registered:
            logger.info("%s: registered with kubelet's plugin watcher", self._resource)
            self.registered.set(True)
            self.refusal.set(None)
        else:
            self.refusal.set(request.error or "no reason given")
        return pb.RegistrationStatusResponse()


class PluginsRegistryRegistration:
    """Keeps one resource registered for as long as `run` runs.

    `kubelet` is kubelet's own socket: it tells a kubelet that was restarted from one that goes on.
    """

    def __init__(self, plugin: Plugin, socket: Path, kubelet: Path, watch: DirectoryWatch) -> None:
        self._plugin = plugin
        self._socket = socket
        self._kubelet = kubelet
        self._watch = watch
        self._backoff = Backoff()
        self._peers = Peers(socket, watch)
        self._registrar = Registrar(plugin, socket, kubelet, self._peers)
        self._trouble = plugin.trouble

    async def run(self, patience: float | None = None) -> str:
        """Serves, and serves anew whenever kubelet has lost the socket.

        Returns only with `patience`, why this way leads nowhere: a kubelet is there for so many
        seconds without having asked for anything, or no socket can be made here.
        """
        while True:
            introduction = _Introduction(self._plugin.resource)
            server = self._server(introduction)
            self._plugin.forget_streams()
            present = self._peers.present()
            try:
                await server.start()
                if patience is not None and not await self._asked(introduction, patience):
                    directory = self._socket.parent
                    return f"kubelet did not look at {directory} within {patience:.0f} s"
                patience = None  # it did ask: this is the right way, whatever happens later
                reason = await self._lost(introduction, server, present)
                if introduction.registered.value:
                    self._trouble.over()
                self._trouble.tell(f"{reason}; making a new socket")
            except SocketError as error:
                if patience is not None:
                    return str(error)
                self._trouble.tell(str(error))
                await self._pause()
            except asyncio.CancelledError:
                await leave(self._plugin, self._registrar, self._peers)
                raise
            finally:
                try:
                    await server.stop()
                finally:
                    await self._registrar.close()

    def _server(self, introduction: _Introduction) -> SocketServer:
        return SocketServer(
            self._socket,
            [
                lambda server: pluginregistration_pb2_grpc.add_RegistrationServicer_to_server(
                    introduction, server
                ),
                *services(self._plugin, "plugins-registry"),
            ],
        )

    async def _lost(
        self, introduction: _Introduction, server: SocketServer, present: frozenset[Path]
    ) -> str:
        return await first_of(
            self._refused(introduction),
            self._stream_lost(introduction),
            self._socket_gone(server),
            self._peer_gone(introduction, present),
        )

    # Each way to lose it leaves the socket in place for a while: kubelet may come by itself.

    async def _refused(self, introduction: _Introduction) -> str:
        while True:
            refusal = await introduction.refusal.until(lambda error: error is not None)
            await self._pause()
            if introduction.refusal.value is not None:
                return f"kubelet refused the registration: {refusal}"

    async def _stream_lost(self, introduction: _Introduction) -> str:
        """Until kubelet closes a stream, or opens none although it has registered the socket."""
        streams = self._plugin.streams
        if not await self._opened(introduction):
            return f"kubelet opened no ListAndWatch within {STREAM_TIMEOUT:.0f} s"
        closed = 0
        while True:
            kubelet = identity(self._kubelet)
            await streams.until(partial(_was_closed, closed))
            await self._pause()
            if is_dead(self._kubelet) or identity(self._kubelet) != kubelet:
                # One that is gone or new finds the socket by itself: a new one might be put in
                # place at the very moment when it dials the old one.
                await first_of(streams.until(_is_open), self._overlooked(_DIALS))
                closed = streams.value.closed
                if streams.value.open:
                    self._backoff.reset()  # it found the socket by itself
                    continue
            return "kubelet closed ListAndWatch"

    async def _opened(self, introduction: _Introduction) -> bool:
        """Whether kubelet opens a stream in time; it may do so before it sends its notification."""
        streams = self._plugin.streams
        await first_of(introduction.registered.until(bool), streams.until(_was_opened))
        try:
            async with asyncio.timeout(STREAM_TIMEOUT):
                await streams.until(_was_opened)
        except TimeoutError:
            return False
        return True

    async def _peer_gone(self, introduction: _Introduction, present: frozenset[Path]) -> str:
        # Before that there is nothing to lose. The stream may come later, or never: the end of a
        # peer in between costs the registration, too.
        await introduction.registered.until(bool)
        self._peers.meet(present)
        while True:
            reason = await self._peers.gone(_SEES)
            if (
                self._plugin.streams.value.open >= MOST_STREAMS
                or not await self._registered_directly(reason)
            ):
                return reason

    async def _registered_directly(self, reason: str) -> bool:
        """Registers once more, by Register: a new socket here would close the open stream."""
        before = self._plugin.streams.value
        if not before.open:
            return False
        logger.info("%s: %s; registering once more", self._plugin.resource, reason)
        try:
            async with asyncio.timeout(_OPENS):
                await self._registrar.register()
                await self._plugin.streams.until(lambda now: now.opened > before.opened)
        except (grpc.aio.AioRpcError, SocketError, TimeoutError):
            return False
        return True

    async def _asked(self, introduction: _Introduction, patience: float) -> bool:
        return await first_of(introduction.asked.until(bool), self._overlooked(patience))

    async def _overlooked(self, seconds: float) -> bool:
        """Until a kubelet has been there for so long; False, as it has not dialled."""
        there = 0.0
        while there < seconds:
            await asyncio.sleep(_LOOK)
            if identity(self._kubelet) is None or is_dead(self._kubelet):
                self._trouble.tell(f"waiting for kubelet: nobody answers on {self._kubelet}")
                there = 0.0
            else:
                there += _LOOK
        return False

    async def _socket_gone(self, server: SocketServer) -> str:
        await self._watch.changes.until(lambda _: not server.in_place)
        await self._pause()
        return f"somebody removed {server.path}"

    async def _pause(self) -> None:
        await asyncio.sleep(self._backoff.delay())


def _is_open(streams: Streams) -> bool:
    return streams.open > 0


def _was_opened(streams: Streams) -> bool:
    return streams.opened > 0


def _was_closed(before: int, streams: Streams) -> bool:
    return streams.closed > before
