"""Registering by calling kubelet: Register on kubelet.sock in the device-plugins directory.

A new file under the name kubelet.sock is a new kubelet, which knows no plugin. The file alone says
little: kubelet leaves it behind when it ends. What happens beside other plugins is explained in
`handover`.
"""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

import grpc

from rdma_dp.aio.backoff import Backoff
from rdma_dp.aio.directory_watch import DirectoryWatch
from rdma_dp.aio.latest import changes, first_of
from rdma_dp.kubelet.device_plugin.servicer import Plugin
from rdma_dp.kubelet.device_plugin.status_service import services
from rdma_dp.kubelet.directories import KUBELET_SOCKET
from rdma_dp.kubelet.registration.handover import hand_over, stay_registered
from rdma_dp.kubelet.registration.lost import Loss, Lost
from rdma_dp.kubelet.registration.peers import Peers
from rdma_dp.kubelet.registration.registrar import REGISTER_DEADLINE, STREAM_TIMEOUT, Registrar
from rdma_dp.kubelet.registration.rivals import Rivals
from rdma_dp.kubelet.sockets import SocketError, SocketServer, identity

logger = logging.getLogger(__name__)

# Seconds after which a neighbour that only registers again has a socket again.
_COMES_BACK = 0.3

# Seconds after which `give_up` is called again while no kubelet comes.
_RETRY_INTERVAL = 5.0

Identity = tuple[int, int]


class DevicePluginsRegistration:
    """Keeps one resource registered for as long as `run` runs.

    The first of `watches` is that of the socket's directory; neighbours are found in all of them.
    """

    def __init__(self, plugin: Plugin, socket: Path, *watches: DirectoryWatch) -> None:
        self._plugin = plugin
        self._kubelet = socket.with_name(KUBELET_SOCKET)
        self._watches = watches
        self._backoff = Backoff()
        self._notice = plugin.trouble
        self._server = SocketServer(socket, services(plugin, "device-plugins"))
        self._peers = Peers(socket, watches)
        self._neighbours = (self._peers, Rivals(plugin.resource, watches))
        self._registrar = Registrar(plugin, socket, self._kubelet, self._neighbours)
        self._was_registered = False
        self._give_up: Callable[[], bool] = bool
        self._settled = True

    async def run(self, give_up: Callable[[], bool] = bool, *, settled: bool = True) -> Loss:
        """Registers, waits until that is lost, and registers again.

        Returns only where no kubelet answers, none ever did, and `give_up` returns True. If not
        `settled`, it returns after any loss for which `give_up` returns True.
        """
        self._give_up, self._settled = give_up, settled
        try:
            while True:
                loss = await self._keep_once()
                if self._ends_with(loss):
                    return loss
        except asyncio.CancelledError:
            await hand_over(self._plugin, self._registrar, self._peers)
            raise
        finally:
            await self._server.stop()

    def _ends_with(self, loss: Loss) -> bool:
        return (loss.lost is Lost.NO_KUBELET or not self._settled) and self._may_give_up()

    def _may_give_up(self) -> bool:
        return not (self._was_registered and self._settled) and self._give_up()

    async def _keep_once(self) -> Loss:
        kubelet = await self._present()
        if kubelet is None:
            return Loss(Lost.NO_KUBELET)
        try:
            # A fresh server each time: kubelet drops the resource when ANY of its streams ends, so
            # no stream of an older registration may be left.
            await self._server.stop()
            self._plugin.forget_streams()
            await self._server.start()
            # Watched from before the registration on: a new kubelet during it is a loss, too.
            loss = await first_of(self._registered(), self._made_anew(kubelet))
        except (SocketError, grpc.aio.AioRpcError) as error:
            loss = _why_not(error)
            self._plugin.note_lost(loss.lost.code)
            self._notice.set(loss.detail)
            if not self._ends_with(loss):
                await self._pause(kubelet)
            return loss
        self._plugin.note_lost(loss.lost.code)
        self._notice.set(f"{loss}; registering again")
        if loss.lost is Lost.NEW_KUBELET:
            self._backoff.reset()
        else:
            await self._pause(kubelet)
        return loss

    async def _pause(self, kubelet: Identity) -> None:
        """Until the next try: soon after a new kubelet has started, else after a growing delay."""
        if await first_of(self._slept(self._backoff.delay()), self._made_anew(kubelet)):
            self._backoff.reset()

    async def _slept(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def _present(self) -> Identity | None:
        """The identity of kubelet.sock once there is one; None to give up."""
        watched = (watch.changes for watch in self._watches)
        async for _ in changes(*watched, pause=lambda: _RETRY_INTERVAL):
            found = identity(self._kubelet)
            if found is not None:
                return found
            self._notice.set(f"waiting for kubelet: there is no {self._kubelet}")
            if self._may_give_up():
                return None
        raise AssertionError("changes() never ends")

    async def _registered(self) -> Loss:
        """Registers, and returns when the registration is lost."""
        before = self._plugin.streams.value.opened
        await self._registrar.register()
        self._was_registered = True
        self._notice.set(None)
        self._plugin.note_registered()
        logger.info("%s: registered with kubelet", self._plugin.resource)
        return await first_of(
            self._stream_lost(before),
            stay_registered(self._plugin, self._registrar, self._neighbours, _COMES_BACK),
        )

    async def _made_anew(self, known: Identity) -> Loss:
        await self._watches[0].changes.until(
            lambda _: identity(self._kubelet) not in (known, None),
        )
        return Loss(Lost.NEW_KUBELET)

    async def _stream_lost(self, before: int) -> Loss:
        """Until any stream ends, or no further one than `before` is opened in time."""
        try:
            async with asyncio.timeout(STREAM_TIMEOUT):
                await self._plugin.streams.until(lambda streams: streams.opened > before)
        except TimeoutError:
            text = f"kubelet opened no ListAndWatch within {STREAM_TIMEOUT:.0f} s"
            return Loss(Lost.NO_STREAM, text)
        await self._plugin.streams.until(lambda streams: streams.closed > 0)
        return Loss(Lost.STREAM_CLOSED)


def _why_not(error: SocketError | grpc.aio.AioRpcError) -> Loss:
    if isinstance(error, SocketError):
        return Loss(Lost.NO_SOCKET, str(error))
    if error.code() == grpc.StatusCode.UNAVAILABLE:
        return Loss(
            Lost.NO_KUBELET,
            "waiting for kubelet: its socket is there, but no process answers",
        )
    if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
        text = f"kubelet did not answer Register within {REGISTER_DEADLINE:.0f} s; trying again"
        return Loss(Lost.REFUSED, text)
    text = f"kubelet refused the registration: {error.details()}; trying again"
    return Loss(Lost.REFUSED, text)
