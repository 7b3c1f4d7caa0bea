"""The newest inventory of a host: kept while a scan fails, and doubted when no event comes."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, TypeVar

from rdma_dp.aio.backoff import Backoff
from rdma_dp.aio.threads import in_thread
from rdma_dp.discovery import polling
from rdma_dp.errors import RdmaDpError
from rdma_dp.host.files import Host
from rdma_dp.inventory.hardware import Inventory
from rdma_dp.log import Notice

logger = logging.getLogger(__name__)

R = TypeVar("R")

# Seconds between two cheap looks for what makes no event. Reading the state of an mlx5 port is a
# command to its firmware: not more often than this.
QUIET_LOOK = 5.0

# Likewise, while a resource waits for a port to come back: that is to be seen at once.
EAGER_LOOK = 1.0

# Seconds after which a look is so slow that somebody should know: a sick card's firmware holds each
# read up until its commands time out.
_SLOW = 10.0


class Node:
    """Looks at one host whenever it is told to, and tells when that is due."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._found: tuple[polling.Fingerprint | None, Inventory] | None = None
        self._backoff = Backoff()
        self._failure = Notice(self._say_failure, self._say_success)
        self._reading: asyncio.Future[Any] | None = None

    @property
    def inventory(self) -> Inventory | None:
        """What the last good scan found; None before there was one."""
        return self._found[1] if self._found else None

    async def look(self) -> None:
        """One scan. One that fails leaves the last inventory in force."""
        try:
            found = await self._read(polling.scan_with_fingerprint, self._host)
        except RdmaDpError as error:
            self._failure.set(str(error))
        else:
            self._failure.set(None)
            self._found = found

    async def due(self, interval: float = QUIET_LOOK) -> None:
        """Until a look is worth while although no event came; `interval` in seconds."""
        if self._found is None or self._failure.text is not None:
            await asyncio.sleep(self._backoff.delay())
            return
        changed = False
        while not changed:
            await asyncio.sleep(interval)
            changed = await self._read(polling.differs, self._host, *self._found)

    async def _read(self, work: Callable[..., R], *arguments: Any) -> R:
        """One read at a time: one that hangs is waited for, not joined by others."""
        while self._reading is not None and not self._reading.done():
            await self._patiently(self._reading)
        self._reading = reading = in_thread(work, *arguments)
        await self._patiently(reading)
        return reading.result()

    async def _patiently(self, reading: "asyncio.Future[Any]") -> None:
        # asyncio.wait leaves the reading alone when we are cancelled: the thread goes on as well.
        done, _ = await asyncio.wait([reading], timeout=_SLOW)
        if not done:
            logger.warning(
                "a look at the node takes more than %.0f s, some read in /sys hangs; the last lists"
                " stay in force",
                _SLOW,
            )
            await asyncio.wait([reading])

    def _say_failure(self, text: str) -> None:
        logger.error("the scan failed, the last lists stay in force: %s", text)

    def _say_success(self) -> None:
        logger.info("the scan works again")
        self._backoff.reset()
