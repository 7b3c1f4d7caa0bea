"""From a NodeState to what kubelet and containers may see of it.

The spec files come first: kubelet may start a container the moment that it hears of a slot, and the
container runtime must know the slot's CDI names by then. A resource whose files cannot be written
is offered without a healthy slot, and the files are tried again.
"""

import asyncio
import logging
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rdma_dp.aio.backoff import Backoff
from rdma_dp.aio.directory_watch import DirectoryWatch
from rdma_dp.aio.latest import Latest, Observable, first_of
from rdma_dp.aio.tasks import start
from rdma_dp.aio.threads import in_thread
from rdma_dp.config import CdiMode
from rdma_dp.daemon import state_log
from rdma_dp.errors import FAILED_READ, reason_of
from rdma_dp.host.files import ExhaustedError
from rdma_dp.inventory.verdicts import Unhealthy, UnhealthyCode
from rdma_dp.log import Notice
from rdma_dp.sharing.state import NodeState
from rdma_dp.specs.publisher import SpecFiles

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A state whose files were tried, and its changes for the log."""

    state: NodeState
    failures: Mapping[str, str]
    changes: tuple[state_log.Line, ...]


class Publication:
    """Observes states, writes their files, and offers each state to kubelet's streams.

    `offered` is the newest state whose files were tried. `applied` is the number of its scan; it
    changes when nothing is left to do for that scan. `served` are the full names of the resources
    that kubelet may still ask for: their files stay.
    """

    def __init__(
        self,
        states: Observable[NodeState],
        served: Observable[frozenset[str]],
        files: SpecFiles,
        cdi_watch: DirectoryWatch,
        applied: Latest[int],
    ) -> None:
        first = states.value
        self._states = states
        self._served = served
        self._files = files
        self._cdi_watch = cdi_watch
        self._cdi_changes = cdi_watch.changes.value
        self._applied = applied
        self._backoff = Backoff()
        self._failure = Notice(logger.error)
        self._warnings: frozenset[str] = frozenset()
        self._reported: NodeState | None = None
        # Nothing is offered before its files are there.
        self.offered = Latest(NodeState(first.config, first.inventory, first.moment, scan=0))

    async def run(self) -> None:
        """Runs until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            watched = False
            while True:
                state, served = self._states.value, self._served.value
                if state.config.cdi is not CdiMode.OFF and not watched:
                    # Only from here on: the watch of a missing directory checks twice a second.
                    watched = True
                    start(tasks, "watch of the CDI directory", self._cdi_watch.run())
                failed = await self._published(state, served)
                await self._until_due(state, served, failed=failed)

    async def _published(self, state: NodeState, served: frozenset[str]) -> bool:
        """Publishes the state. Returns whether something failed and has to be tried again."""
        try:
            prepared = await in_thread(self._prepare, state)
        except FAILED_READ as error:
            self._failure.set(
                f"the last lists stay in force and are tried again: {reason_of(error)}"
            )
            return True
        self._reported = prepared.state
        _log(prepared.changes)
        self.offered.set(prepared.state)
        try:
            await self._finish(prepared.state, served)
        except FAILED_READ as error:
            self._failure.set(
                "the lists are in force; their warnings and the removal of old files are tried"
                f" again: {reason_of(error)}"
            )
            return True
        self._failure.set(None)
        self._applied.set(state.scan)
        return bool(prepared.failures)

    async def _finish(self, offered: NodeState, served: frozenset[str]) -> None:
        """What kubelet does not wait for."""
        warnings = await in_thread(_warnings, offered)
        _log(state_log.news(self._warnings, warnings))
        self._warnings = warnings
        await in_thread(self._files.tidy, served)

    def _prepare(self, state: NodeState) -> _Prepared:
        """All that kubelet waits for and that takes longer with more slots, for the thread."""
        inventory = state.inventory if state.config.go_plugin_cdi_names else None
        failures = self._files.follow(tuple(state.pools.values()), inventory)
        offered = state.withholding(
            {name: Unhealthy(UnhealthyCode.SPEC_FILES, text) for name, text in failures.items()}
        )
        return _Prepared(offered, failures, tuple(state_log.changes(self._reported, offered)))

    async def _until_due(self, state: NodeState, served: frozenset[str], *, failed: bool) -> None:
        """A new state, a resource that is no longer served, a changed file, or another try."""
        waits: list[Coroutine[Any, Any, object]] = [
            self._states.until(lambda newest: newest is not state),
            self._served.until(lambda newest: newest != served),
            self._files_touched(),
        ]
        if failed:
            waits.append(asyncio.sleep(self._backoff.delay()))
        else:
            self._backoff.reset()
        await first_of(*waits)

    async def _files_touched(self) -> None:
        """Until another process changed our specs, as another rdma-dp in an update may."""
        while True:
            changes = self._cdi_watch.changes
            await changes.until(lambda count: count != self._cdi_changes)
            self._cdi_changes = changes.value
            try:
                if not await in_thread(self._files.intact):
                    return
            except FAILED_READ:
                return  # publishing again reports it, and is tried until it succeeds


def _warnings(state: NodeState) -> frozenset[str]:
    """Made after the offer: with many HCAs they take long, and kubelet does not wait for them."""
    try:
        from rdma_dp.daemon import state_warnings  # noqa: PLC0415 - not before the first lists
    except ImportError as error:  # Python finds no module without a free descriptor
        raise ExhaustedError(str(error)) from error
    return state_warnings.warnings(state)


def _log(lines: Iterable[state_log.Line]) -> None:
    for level, line in lines:
        logger.log(level, "%s", line)
