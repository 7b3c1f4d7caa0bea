"""Other processes that serve the same resource: two meet in a rolling update.

kubelet knows plugins by their resource alone. When one of two goes, it drops the resource, even
if the other's stream is still open, and that one hears nothing of it.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path

from rdma_dp.directory_watch import DirectoryWatch
from rdma_dp.kubelet.sockets import is_dead


async def sibling_gone(
    own: Path, watch: DirectoryWatch, pause: Callable[[], Awaitable[None]]
) -> str:
    """Until a sibling of the socket `own` ends, and has not come back after a pause.

    One that only registers again is back by then: two that answered that would do so for ever.
    """
    known = _siblings(own)
    async for _ in watch.changes.watch():
        now = _siblings(own)
        if gone := known - now:
            await pause()
            now = _siblings(own)
            if gone - now:
                return "another rdma-dp for the same resource ended"
        known = now
    raise AssertionError("watch() never ends")


def _siblings(own: Path) -> frozenset[str]:
    """The sockets of the other processes, by the form that `socket_name` gives them."""
    ours = own.name.rpartition("-")[0]
    others = (path for path in own.parent.glob(f"{ours}-*.sock") if path != own)
    return frozenset(path.name for path in others if not is_dead(path))
