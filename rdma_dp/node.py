"""The newest inventory of a host: kept while a scan fails, and doubted when no event comes."""

import asyncio
import logging

from rdma_dp.backoff import Backoff
from rdma_dp.discovery import quiet
from rdma_dp.errors import RdmaDpError
from rdma_dp.host import Host
from rdma_dp.model import Inventory

logger = logging.getLogger(__name__)

# Seconds between two cheap looks for what makes no event. Reading the state of an mlx5 port is a
# command to its firmware: not more often than this.
_QUIET_LOOK = 5.0


class Node:
    """Looks at one host whenever it is told to, and tells when that is due."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._found: tuple[quiet.Glimpse, Inventory] | None = None
        self._backoff = Backoff()
        self._trouble: str | None = None

    @property
    def inventory(self) -> Inventory | None:
        """What the last good scan found; None before there was one."""
        return self._found[1] if self._found else None

    async def look(self) -> None:
        """One scan. One that fails leaves the last inventory in force."""
        try:
            found = await asyncio.to_thread(quiet.scan_with_glimpse, self._host)
        except RdmaDpError as error:
            self._say(str(error))
        else:
            self._say(None)
            self._found = found

    async def due(self) -> None:
        """Until a look is worth while although no event came."""
        if self._found is None or self._trouble is not None:
            await asyncio.sleep(self._backoff.delay())
            return
        changed = False
        while not changed:
            await asyncio.sleep(_QUIET_LOOK)
            changed = await asyncio.to_thread(quiet.differs, self._host, *self._found)

    def _say(self, trouble: str | None) -> None:
        """One line when the scans begin to fail, or fail otherwise, and one when that is over."""
        if trouble == self._trouble:
            return
        if trouble is not None:
            logger.error("the scan failed, the last lists stay in force: %s", trouble)
        else:
            logger.info("the scan works again")
            self._backoff.reset()
        self._trouble = trouble
