"""Reads for scrapes who holds slots and, if the config wants it, who owns queue pairs.

As counter_reader.py does: not more often than the config's `minInterval`, and a scrape waits for a
short time only. kubelet answers 100 calls a second, which all callers share.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path

from rdma_dp.aio.threads import in_thread
from rdma_dp.config import PodMetrics
from rdma_dp.errors import reason_of
from rdma_dp.host.files import Host
from rdma_dp.host.netlink.rdma_queries import query_queue_pairs
from rdma_dp.kubelet.clients.pod_resources import pod_resources
from rdma_dp.log import Notice
from rdma_dp.monitoring.interval import at_least
from rdma_dp.monitoring.usage import Usage, usage
from rdma_dp.sharing.state import NodeState

logger = logging.getLogger(__name__)

# Seconds that a scrape waits for a reading. Prometheus waits 10 s for a page by default.
_WAIT = 2.0


class PodReader:
    """The last reading. `usage` is None before the first, and if the config does not want any."""

    def __init__(
        self,
        socket: Path,
        host: Host,
        state: Callable[[], NodeState | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`socket` is kubelet's in pod-resources. `state` returns the newest state."""
        self._socket = socket
        self._host = host
        self._state = state
        self._clock = clock
        self._begun: float | None = None
        self._reading: asyncio.Task[None] | None = None
        self._notice = Notice(lambda text: logger.warning("metrics of pods: %s", text))
        self.usage: Usage | None = None

    async def refreshed(self) -> None:
        """Starts a reading if one is due, and waits for it for a short time."""
        state = self._state()
        if state is None or state.config.metrics.pods is PodMetrics.NONE:
            self.usage, self._begun = None, None
            return
        if self._due(state.config.metrics.min_interval):
            self._begun = self._clock()
            self._reading = asyncio.create_task(self._read(state), name="pods for metrics")
        if self._reading is not None and not self._reading.done():
            await asyncio.wait([self._reading], timeout=_WAIT)

    def _due(self, interval: float) -> bool:
        if self._reading is not None and not self._reading.done():
            return False
        return self._begun is None or self._clock() - self._begun >= at_least(interval)

    async def _read(self, state: NodeState) -> None:
        wanted = state.config.metrics.pods is PodMetrics.QUEUE_PAIRS
        try:
            listed = await pod_resources(self._socket)
            pairs = await in_thread(query_queue_pairs) if wanted else None
            found = await in_thread(usage, self._host, state.pools, listed, pairs)
        except Exception as error:  # noqa: BLE001 - whatever it is, the old list is not true any more
            found = usage(self._host, state.pools, reason_of(error), None)
        self.usage = found
        wants = found.missing if wanted or found.pods is None else ()
        self._notice.set("; ".join(wants) or None)
