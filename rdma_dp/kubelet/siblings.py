"""Other processes that serve the same resource: two meet in a rolling update.

kubelet knows plugins by their resource alone. When one of two goes, it may drop the resource, or
no longer notice when the other goes, too, even though that one's stream stays open: so who stays
registers once more. `leaving` is the other side of this.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path

from rdma_dp.directory_watch import DirectoryWatch
from rdma_dp.kubelet.sockets import is_dead

SIBLING_GONE = "another rdma-dp for the same resource ended"


class Siblings:
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

    def meet(self) -> None:
        """Looks who is there, before a registration: whoever goes from then on matters to it."""
        self._met = self.present()

    @property
    def lost(self) -> frozenset[Path]:
        """Those that have gone since the last registration."""
        return self._met - self.present()

    async def gone(self, pause: Callable[[], Awaitable[None]]) -> None:
        """Until a sibling ends, and has not come back after a pause.

        One that only registers again is back by then: two that answered that would do so for ever.
        """
        async for _ in self._watch.changes.watch():
            if gone := self.lost:
                await pause()
                if gone & self.lost:
                    return
            self._met = self.present()
        raise AssertionError("watch() never ends")

    async def until_gone(self, some: frozenset[Path]) -> None:
        """Until none of these serves any more."""
        await self._watch.changes.until(lambda _: not some & self.present())
