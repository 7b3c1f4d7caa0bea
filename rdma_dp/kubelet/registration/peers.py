"""Other processes that serve the same resource: two meet in a rolling update.

kubelet knows plugins by their resource alone. When one of two goes, it may drop the resource, or
no longer notice when the other goes, too, even though that one's stream stays open: so who stays
registers once more. `leaving` is the other side of this.
"""

import asyncio
import contextlib
from pathlib import Path

from rdma_dp.aio.directory_watch import DirectoryWatch
from rdma_dp.kubelet.sockets import is_dead

_ASKS = 0.05  # seconds

# Each peer that ends leaves one more open stream, and kubelet feeds on all of them. With so many
# it is time to begin anew, at the price of a count of 0 for a moment.
MOST_STREAMS = 8

PEER_GONE = "another rdma-dp for the same resource ended"


class Peers:
    """The sockets of the others beside `own`, in a directory that is watched."""

    def __init__(self, own: Path, watch: DirectoryWatch) -> None:
        self._own = own
        self._watch = watch
        self._met: frozenset[Path] = frozenset()

    def present(self) -> frozenset[Path]:
        """The sockets of those that serve now, by the form that `socket_name` gives them."""
        ours = self._own.name.rpartition("-")[0]
        others = (path for path in self._own.parent.glob(f"{ours}-*.sock") if path != self._own)
        return frozenset(path for path in others if not is_dead(path))

    def meet(self, present: frozenset[Path]) -> None:
        """A registration has succeeded that began beside these: whoever goes later matters to it.

        Until then those of before it are kept in mind, for it may never succeed.
        """
        self._met = present

    def look(self) -> tuple[frozenset[Path], frozenset[Path]]:
        """Those that serve now, and those that have gone since the last registration began."""
        present = self.present()
        self._met |= present
        return present, self._met - present

    async def gone(self, pause: float) -> str:
        """Until a peer ends, and has not come back after `pause` seconds; PEER_GONE.

        One that only registers again is back by then: two that answered that would do so for ever.
        """
        async for _ in self._watch.changes.watch():
            while gone := self.look()[1]:
                await self._pause(pause)
                if gone & self.look()[1]:
                    return PEER_GONE
        raise AssertionError("watch() never ends")

    async def _pause(self, seconds: float) -> None:
        """Meanwhile another may come and go."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                async for _ in self._watch.changes.watch():
                    self.look()

    async def until_gone(self, some: frozenset[Path]) -> None:
        """Until none of these serves any more."""
        # Asked, not watched: the watch ends when this process does.
        while some & self.present():  # noqa: ASYNC110
            await asyncio.sleep(_ASKS)
