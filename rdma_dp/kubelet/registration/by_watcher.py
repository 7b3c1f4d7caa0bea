"""Registering by being found: a socket in plugins_registry, which kubelet's watcher dials.

A kubelet that was restarted finds the socket again by itself. One that goes on never dials again a
socket whose stream ended: there, a lost registration needs a new socket. What happens beside other
plugins is explained in `handover`.
"""

import asyncio
from functools import partial
from pathlib import Path

from rdma_dp.aio.backoff import Backoff
from rdma_dp.aio.directory_watch import DirectoryWatch
from rdma_dp.aio.latest import first_of
from rdma_dp.kubelet.device_plugin.servicer import Plugin, Streams
from rdma_dp.kubelet.device_plugin.status_service import services
from rdma_dp.kubelet.registration.handover import hand_over, stay_registered
from rdma_dp.kubelet.registration.lost import Loss, Lost
from rdma_dp.kubelet.registration.peers import Peers
from rdma_dp.kubelet.registration.registrar import CONNECT_DEADLINE, STREAM_TIMEOUT, Registrar
from rdma_dp.kubelet.registration.rivals import Rivals
from rdma_dp.kubelet.registration.watcher_answers import (
    UNREGISTER_DELAY,
    Introduction,
    introduction_of,
)
from rdma_dp.kubelet.sockets import SocketError, SocketServer, identity, is_dead

# Sockets that cannot be made, after which another mode is tried. The first failure can be due to a
# peer or to kubelet, which removes all sockets when it starts.
_ATTEMPTS = 3

# Seconds between two probes of whether a kubelet is there, and seconds within which one that is
# there has dialled what is in its directory: its watcher does so within a second of its start.
_PROBE_INTERVAL = 0.5
_DIAL_TIMEOUT = 3.0


class PluginsRegistryRegistration:
    """Keeps one resource registered for as long as `run` runs.

    `kubelet` is kubelet's own socket: it distinguishes a kubelet that was restarted from one that
    goes on. The first of `watches` is that of the socket's directory; neighbours are found in all.
    """

    def __init__(
        self,
        plugin: Plugin,
        socket: Path,
        kubelet: Path,
        *watches: DirectoryWatch,
        deadline: float = CONNECT_DEADLINE,
    ) -> None:
        """`deadline`: seconds after which the log reports that kubelet has not connected."""
        self._plugin = plugin
        self._deadline = deadline
        self._socket = socket
        self._kubelet = kubelet
        self._watches = watches
        self._backoff = Backoff()
        self._peers = Peers(socket, watches)
        self._neighbours = (self._peers, Rivals(plugin.resource, watches))
        self._registrar = Registrar(plugin, socket, kubelet, self._neighbours)
        self._notice = plugin.trouble

    async def run(self, timeout: float | None = None) -> Loss:  # noqa: ASYNC109 - of kubelet
        """Serves, and serves anew whenever kubelet has lost the socket.

        Returns only with `timeout`: a kubelet is there for so many seconds without having asked
        for anything, or no socket can be made here, several times in a row.
        """
        attempts = 0
        while True:
            introduction = introduction_of(self._plugin, self._neighbours)
            server = self._server(introduction)
            self._plugin.forget_streams()
            try:
                await server.start()
                if timeout is not None and not await self._asked(introduction, timeout):
                    text = f"kubelet did not look at {self._socket.parent} within {timeout:.0f} s"
                    return Loss(Lost.NOT_FOUND, text)
                timeout = None  # it did ask: this is the right mode, whatever happens later
                loss = await self._lost(introduction, server)
                if self._plugin.streams.value.opened:
                    self._notice.set(None)
                self._notice.set(f"{loss}; making a new socket")
                self._plugin.note_lost(loss.lost.code)
            except SocketError as error:
                attempts += 1
                if timeout is None:
                    self._notice.set(str(error))
                elif attempts == _ATTEMPTS:
                    return Loss(Lost.NO_SOCKET, str(error))
                self._plugin.note_lost(Lost.NO_SOCKET.code)
                await self._pause()
            except asyncio.CancelledError:
                await hand_over(self._plugin, self._registrar, self._peers)
                raise
            finally:
                try:
                    await server.stop()
                finally:
                    await self._registrar.close()

    def _server(self, introduction: Introduction) -> SocketServer:
        return SocketServer(
            self._socket,
            [introduction.add_to, *services(self._plugin, "plugins-registry")],
        )

    async def _lost(self, introduction: Introduction, server: SocketServer) -> Loss:
        return await first_of(
            self._refused(introduction),
            self._stream_lost(introduction),
            self._socket_gone(server),
            self._neighbour_gone(introduction),
            self._not_connected(introduction),
        )

    # Each kind of loss leaves the socket in place for a while: kubelet may find it by itself.

    async def _refused(self, introduction: Introduction) -> Loss:
        while True:
            refusal = await introduction.refusal.until(lambda error: error is not None)
            await self._pause()
            if introduction.refusal.value is not None:
                return Loss(Lost.REFUSED, f"kubelet refused the registration: {refusal}")

    async def _stream_lost(self, introduction: Introduction) -> Loss:
        """Until kubelet closes a stream, or opens none although it has registered the socket."""
        streams = self._plugin.streams
        if not await self._opened(introduction):
            text = f"kubelet opened no ListAndWatch within {STREAM_TIMEOUT:.0f} s"
            return Loss(Lost.NO_STREAM, text)
        closed = 0
        while True:
            kubelet = identity(self._kubelet)
            await streams.until(partial(_was_closed, closed))
            await self._pause()
            if is_dead(self._kubelet) or identity(self._kubelet) != kubelet:
                # One that is gone or new finds the socket by itself: a new one might be put in
                # place at the very moment when it dials the old one.
                self._plugin.note_lost(Lost.STREAM_CLOSED.code)
                await first_of(streams.until(_is_open), self._overlooked(_DIAL_TIMEOUT))
                closed = streams.value.closed
                if streams.value.open:
                    self._backoff.reset()  # it found the socket by itself
                    self._plugin.registered = True  # the notification counts it
                    continue
            return Loss(Lost.STREAM_CLOSED)

    async def _not_connected(self, introduction: Introduction) -> Loss:
        """Reports a kubelet that is there and opens no stream. Never ends."""
        await first_of(self._stream_opened(), self._patience(introduction))
        if not self._plugin.streams.value.opened:
            did = "asked for" if introduction.asked.value else "did not ask for"
            self._notice.set(
                f"not connected: kubelet {did} the socket in {self._socket.parent}, and opened no"
                f" ListAndWatch within {self._deadline:.0f} s; still waiting"
            )
        await asyncio.Event().wait()
        raise AssertionError("no one sets this event")

    async def _stream_opened(self) -> None:
        await self._plugin.streams.until(_was_opened)

    async def _patience(self, introduction: Introduction) -> None:
        """The deadline, from the first question on, or for a kubelet that asks none."""
        if await self._asked(introduction, self._deadline):
            await asyncio.sleep(self._deadline)

    async def _opened(self, introduction: Introduction) -> bool:
        """Whether kubelet opens a stream in time; it may do so before it sends its notification."""
        streams = self._plugin.streams
        await first_of(introduction.registered.until(bool), streams.until(_was_opened))
        try:
            async with asyncio.timeout(STREAM_TIMEOUT):
                await streams.until(_was_opened)
        except TimeoutError:
            return False
        return True

    async def _neighbour_gone(self, introduction: Introduction) -> Loss:
        # Before that there is nothing to lose. The stream may come later, or never: the end of a
        # neighbour in between costs the registration, too.
        await introduction.registered.until(bool)
        return await stay_registered(
            self._plugin, self._registrar, self._neighbours, UNREGISTER_DELAY
        )

    async def _asked(self, introduction: Introduction, seconds: float) -> bool:
        return await first_of(introduction.asked.until(bool), self._overlooked(seconds))

    async def _overlooked(self, seconds: float) -> bool:
        """Until a kubelet has been there for so long; False, as it has not dialled."""
        there = 0.0
        while there < seconds:
            await asyncio.sleep(_PROBE_INTERVAL)
            if identity(self._kubelet) is None or is_dead(self._kubelet):
                self._notice.set(f"waiting for kubelet: no process answers on {self._kubelet}")
                there = 0.0
            else:
                there += _PROBE_INTERVAL
        return False

    async def _socket_gone(self, server: SocketServer) -> Loss:
        await self._watches[0].changes.until(lambda _: not server.in_place)
        await self._pause()
        return Loss(Lost.SOCKET_GONE, f"{server.path} was removed")

    async def _pause(self) -> None:
        await asyncio.sleep(self._backoff.delay())


def _is_open(streams: Streams) -> bool:
    return streams.open > 0


def _was_opened(streams: Streams) -> bool:
    return streams.opened > 0


def _was_closed(before: int, streams: Streams) -> bool:
    return streams.closed > before
