"""Registers the DRA driver: one socket in plugins_registry serves everything that kubelet calls.

kubelet keeps several sockets of one driver, and calls the newest. So two instances of an update
need no hand-over: each has a socket of its own. A kubelet that was restarted finds the socket
again by itself, and one that loses the connection connects again.
"""

import asyncio
import contextlib
import logging
import os
from collections.abc import Sequence
from pathlib import Path

from rdma_dp.aio.backoff import Backoff
from rdma_dp.aio.directory_watch import DirectoryWatch
from rdma_dp.aio.latest import Latest, first_of
from rdma_dp.formats.names import digest
from rdma_dp.kubelet.dra.health_service import HealthService
from rdma_dp.kubelet.registration.watcher_answers import UNREGISTER_DELAY, Introduction
from rdma_dp.kubelet.sockets import (
    LONGEST_PATH,
    AddServices,
    SocketError,
    SocketServer,
    remove_stale,
)
from rdma_dp.kubelet.views import DRA_PLUGIN
from rdma_dp.log import Notice

logger = logging.getLogger(__name__)

# kubelet takes the first service that it knows (pkg/kubelet/cm/dra/plugin/registration.go).
SERVICES = ("v1.DRAPlugin", "v1beta1.DRAPlugin", "v1alpha1.DRAResourceHealth")

_END = "-reg.sock"
_DIGITS = 12  # of a digest that stands for a name that is too long


def driver_socket(directory: Path, driver: str, instance: str) -> Path:
    """The socket of one instance of a driver. `instance` is the UID of its pod.

    The name is the one that Go drivers have. Where the path would be too long for a socket, digests
    stand for the driver and the instance.
    """
    path = directory / f"{driver}-{instance}{_END}"
    if len(os.fsencode(path)) + len(".") <= LONGEST_PATH:
        return path
    return directory / f"{digest(driver, _DIGITS)}-{digest(instance, _DIGITS)}{_END}"


def is_driver_socket(name: str, driver: str) -> bool:
    """Whether `driver_socket` may have made this file name for an instance of the driver."""
    return name.endswith(_END) and name.startswith((f"{driver}-", f"{digest(driver, _DIGITS)}-"))


class DriverRegistration:
    """Keeps one driver registered for as long as `run` runs.

    `introduced` is how often kubelet asked what the socket serves: once more after each start of
    kubelet. `registered` is whether kubelet has accepted the driver since the socket was made.
    """

    def __init__(
        self,
        driver: str,
        instance: str,
        watch: DirectoryWatch,
        services: Sequence[AddServices],
        health: HealthService,
        unregister_delay: float = UNREGISTER_DELAY,
    ) -> None:
        """`watch` is that of plugins_registry. `services` are all services, with that of health."""
        self.driver = driver
        self.socket = driver_socket(watch.directory, driver, instance)
        self.introduced = Latest(0)
        self.registered = Latest(False)
        self._watch = watch
        self._services = tuple(services)
        self._health = health
        self._delay = unregister_delay
        self._backoff = Backoff()
        self._notice = Notice(lambda text: logger.warning("%s: %s", driver, text))

    @property
    def trouble(self) -> str | None:
        """Why kubelet does not have the driver, as far as it is known."""
        return self._notice.text

    async def run(self) -> None:
        """Serves until it is cancelled, anew whenever the socket was removed."""
        while True:
            introduction = Introduction(
                DRA_PLUGIN, self.driver, SERVICES, self._begun, self._accepted
            )
            server = SocketServer(self.socket, [introduction.add_to, *self._services])
            try:
                self._remove_stale()
                await server.start()
                self._notice.set(None)
                await first_of(self._socket_gone(server), self._refused(introduction))
                logger.warning("%s: %s was removed; making it again", self.driver, self.socket)
            except SocketError as error:
                self._notice.set(str(error))
                await self._pause()
            except asyncio.CancelledError:
                await self._unregister(server)
                raise
            finally:
                self.registered.set(False)
                await server.stop()

    def _begun(self) -> None:
        self.introduced.set(self.introduced.value + 1)

    def _accepted(self) -> None:
        self._notice.set(None)
        self._backoff.reset()
        self.registered.set(True)

    def _remove_stale(self) -> None:
        stale = remove_stale(
            self._watch.directory, lambda name: is_driver_socket(name, self.driver)
        )
        for name in stale:
            logger.info("removed %s, left behind by an rdma-dp that was killed", name)

    async def _socket_gone(self, server: SocketServer) -> None:
        await self._watch.changes.until(lambda _: not server.in_place)
        await self._pause()

    async def _refused(self, introduction: Introduction) -> None:
        """Reports each refusal. kubelet tries again by itself. Never ends."""
        async for refusal in introduction.refusal.watch():
            if refusal is not None:
                self._notice.set(f"kubelet refused the driver: {refusal}; it tries again")

    async def _unregister(self, server: SocketServer) -> None:
        """Takes the name away first: kubelet makes no new call while the others end."""
        server.withdraw()
        if self.registered.value:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._delay):
                    await self._unused()

    async def _unused(self) -> None:
        """Until kubelet has closed its stream of health, as it does when it drops a driver.

        It never ends for a kubelet that opens no such stream.
        """
        await self._health.streams.until(bool)
        await self._health.streams.until(lambda streams: not streams)

    async def _pause(self) -> None:
        await asyncio.sleep(self._backoff.delay())
