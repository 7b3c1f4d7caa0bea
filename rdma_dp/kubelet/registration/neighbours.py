"""Sockets of other plugins, whose end may cost this process its registration.

Step 5 of the protocol in `handover` says why. `peers` are other rdma-dp processes, `rivals` are
plugins of others.
"""

import asyncio
import contextlib
import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rdma_dp.aio.directory_watch import DirectoryWatch
from rdma_dp.aio.latest import changes
from rdma_dp.kubelet.registration.lost import Loss, Lost
from rdma_dp.kubelet.sockets import is_dead
from rdma_dp.log import Notice

logger = logging.getLogger(__name__)

# Seconds between two tries to connect to the sockets beside our own. No event reports that a
# process begins to listen on a socket, or that it is killed: the file stays.
_PROBE_INTERVAL = 5.0


class Neighbours(ABC):
    """The sockets of one kind in directories that are watched, each under a key of its own."""

    lost: Lost

    def __init__(self, watches: Sequence[DirectoryWatch]) -> None:
        self._watches = tuple(watches)
        self._last: Mapping[str, Path] = {}
        self._alone = True  # there is no socket of this kind, not even one without a process
        self._unread = Notice(logger.warning)
        self._since_begin: frozenset[str] = frozenset()
        self._seen: frozenset[str] = frozenset()

    @abstractmethod
    def _candidates(self) -> Iterator[tuple[str, Path]]:
        """The keys and paths of their files. One key may have several paths. Raises OSError."""

    def _found(self) -> dict[str, Path]:
        """Those on which a process listens now. Raises OSError."""
        found: dict[str, Path] = {}
        self._alone = True
        for key, path in self._candidates():
            self._alone = False
            if key not in found and not is_dead(path):
                found[key] = path
        return found

    def _probed_after(self) -> float | None:
        return None if self._alone else _PROBE_INTERVAL

    def present(self) -> Mapping[str, Path]:
        """The paths of those that are served now, by their keys.

        A directory that cannot be read (no descriptor is left) holds what it held before.
        """
        try:
            self._last = self._found()
        except OSError as error:
            self._unread.set(f"cannot read kubelet's directories: {error}; trying again")
        else:
            self._unread.set(None)
        return self._last

    def begin(self) -> None:
        """A registration begins: a socket that ended before this moment does not matter to it."""
        self._since_begin = frozenset(self.present())

    def registered(self) -> None:
        """That registration has succeeded: the end of those present since `begin` matters.

        Until then those of before are remembered, for the registration may never succeed.
        """
        self._seen = self._since_begin

    def scan(self) -> tuple[Mapping[str, Path], frozenset[str]]:
        """Those that are present, and the keys of those that are gone since `begin`."""
        present = self.present()
        self._seen |= present.keys()
        self._since_begin |= present.keys()
        return present, self._seen - present.keys()

    async def gone(self, pause: float) -> Loss:
        """Waits until one of them ends and has not come back after `pause` seconds.

        One that only registers again is back by then: two that answered that would go on for ever.
        """
        watched = (watch.changes for watch in self._watches)
        async for _ in changes(*watched, pause=self._probed_after):
            self.scan()  # first: one may end while it is observed
            await self._observe()
            while gone := self.scan()[1]:
                await self._pause(pause)
                if still := gone & self.scan()[1]:
                    return Loss(self.lost, self._detail(still))
        raise AssertionError("changes() never ends")

    async def _observe(self) -> None:  # noqa: B027 - there may be nothing to do
        """Called at each change, to find out more of those that are present."""

    def _detail(self, gone: frozenset[str]) -> str:
        """The text of the loss, where there is more to report than its kind."""
        return ""

    async def _pause(self, seconds: float) -> None:
        """Meanwhile another may come and go."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                async for _ in changes(*(watch.changes for watch in self._watches)):
                    self.scan()
