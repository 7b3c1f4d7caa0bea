"""The newest inventory of a host: kept while a scan fails, and re-checked without an event.

Port states are polled every 5 s because some changes send no event (discovery/polling.py). Where
events report the states of all ports, only a mode is polled, every 15 s.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from itertools import count
from typing import Any, TypeVar

from rdma_dp.aio.backoff import Backoff
from rdma_dp.aio.latest import Latest, first_of
from rdma_dp.aio.threads import in_thread, wait_for_end
from rdma_dp.daemon.first_scan import FirstScan
from rdma_dp.discovery import polling
from rdma_dp.errors import FAILED_READ, reason_of
from rdma_dp.host.files import ExhaustedError, Host
from rdma_dp.inventory.hardware import Inventory
from rdma_dp.log import Notice
from rdma_dp.metrics import Metrics

logger = logging.getLogger(__name__)

R = TypeVar("R")

# Seconds between two cheap checks for changes that send no event. Not more often: reading the state
# of an mlx5 port is a command to its firmware.
QUIET_INTERVAL = 5.0

# The same while a resource waits for a port to come back, so that its slots return at once.
EAGER_INTERVAL = 1.0

# The same where events report all but the mode of the network namespaces, which a person changes.
_MODE_INTERVAL = 15.0

# Seconds after which the log reports that a read hangs. The firmware of a faulty card delays each
# read until its commands time out.
_SLOW = 10.0


class Scanner:
    """Scans one host on demand, and knows when a scan is due without an event."""

    def __init__(
        self,
        host: Host,
        metrics: Metrics | None = None,
        heard: Latest[frozenset[str]] | None = None,
        first: FirstScan | None = None,
    ) -> None:
        """`heard` are the sources of events that are open: see host/events.py.

        `first` takes the place of the first scan.
        """
        self._first = first
        self._host = host
        self._heard = heard or Latest(frozenset())
        self._metrics = metrics or Metrics()
        self._found: polling.Found | None = None
        self._turns = count()
        self._backoff = Backoff()
        self._failure = Notice(self._say_failure, self._say_success)
        self._exhausted = False
        self._reading: asyncio.Future[Any] | None = None

    @property
    def inventory(self) -> Inventory | None:
        """The inventory of the last scan that succeeded; None before the first."""
        return self._found.inventory if self._found else None

    async def scan(self) -> None:
        """One scan. One that fails leaves the last inventory in force."""
        begun = time.monotonic()
        try:
            found = await self._read(self._scanned)
        except FAILED_READ as error:
            self._failed(error)
            self._metrics.scans.add("error")
        else:
            self._exhausted = False
            self._failure.set(None)
            self._found = found
            self._metrics.scans.add("ok")
            self._metrics.scan.succeeded_at = time.time()
        self._metrics.scan.seconds = time.monotonic() - begun

    def _scanned(self) -> polling.Found:
        first, self._first = self._first, None
        return polling.scan_with_fingerprint(self._host) if first is None else first.result()

    async def due(self, interval: float = QUIET_INTERVAL) -> None:
        """Until a scan is due although no event came. `interval` is in seconds."""
        if self._found is None or self._failure.text is not None:
            await asyncio.sleep(self._backoff.delay())
            return
        changed = False
        while not changed:
            heard = self._heard.value
            rests = polling.events_report_all(self._found, heard)
            pause = asyncio.sleep(_MODE_INTERVAL if rests else interval)
            await first_of(pause, self._other_sources(heard))
            try:
                turn, heard = next(self._turns), self._heard.value
                changed = await self._read(polling.differs, self._host, self._found, heard, turn)
            except FAILED_READ as error:
                self._failed(error)
                return

    async def _other_sources(self, heard: frozenset[str]) -> None:
        await self._heard.until(lambda now: now != heard)

    async def _read(self, work: Callable[..., R], *arguments: Any) -> R:
        """Runs one read at a time: a read that hangs delays the next one."""
        while self._reading is not None and not self._reading.done():
            await self._wait_for(self._reading)
        self._reading = reading = in_thread(work, *arguments)
        await self._wait_for(reading)
        return reading.result()

    async def _wait_for(self, reading: "asyncio.Future[Any]") -> None:
        await wait_for_end(reading, _SLOW, self._say_slow)
        self._metrics.scan.hanging = False

    def _say_slow(self) -> None:
        logger.warning(
            "the scan takes more than %.0f s: some read in /sys hangs; the last lists stay in"
            " force",
            _SLOW,
        )
        self._metrics.scan.hanging = True

    def _failed(self, error: Exception) -> None:
        # One line for one cause: without descriptors, each try fails at another file.
        if not (self._exhausted and isinstance(error, ExhaustedError)):
            self._failure.set(reason_of(error))
        self._exhausted = isinstance(error, ExhaustedError)

    def _say_failure(self, text: str) -> None:
        logger.error("the scan failed, the last lists stay in force: %s", text)

    def _say_success(self) -> None:
        logger.info("the scan works again")
        self._backoff.reset()
