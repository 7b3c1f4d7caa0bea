"""Changes of names in a directory: kubelet.sock made anew, a socket of ours removed, a config
replaced.

Like every event, a change carries no state: it only says that it is time to look again.
"""

import asyncio
import errno
import logging
from pathlib import Path

from asyncinotify import Inotify, Mask

from rdma_dp.aio.latest import Latest

logger = logging.getLogger(__name__)

# Seconds between two looks without an event, for a directory that was replaced as a whole.
_SLOW_LOOK = 5.0

# Likewise for a directory that is not there yet, and where inotify's instances are used up.
_UNWATCHED_LOOK = 0.5

# inotify_init(2) and inotify_add_watch(2) tell with these that a user's share is used up.
_USED_UP = {
    errno.EMFILE: " (the sysctl fs.inotify.max_user_instances may be too low)",
    errno.ENOSPC: " (the sysctl fs.inotify.max_user_watches may be too low)",
}

# A ConfigMap mount renames its ..data link; an editor may write a file in place. A mount or a
# rename can replace the directory itself.
_EVENTS = (
    Mask.CREATE
    | Mask.MOVED_TO
    | Mask.MOVED_FROM
    | Mask.CLOSE_WRITE
    | Mask.DELETE
    | Mask.DELETE_SELF
    | Mask.MOVE_SELF
)


class DirectoryWatch:
    """Counts the changes of names in one directory; observers look again at each."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.changes = Latest(0)
        self._said = False

    async def run(self) -> None:
        """Watches for as long as the daemon runs."""
        while True:
            try:
                with Inotify() as inotify:
                    inotify.add_watch(self.directory, _EVENTS)
                    await self._follow(inotify)
            except OSError as error:
                self._say(error)
                await asyncio.sleep(_UNWATCHED_LOOK)
            self._tick()

    def _say(self, error: OSError) -> None:
        if error.errno == errno.ENOENT or self._said:
            return  # a directory that is not there yet is no trouble of the watch
        self._said = True
        logger.warning(
            "cannot watch %s: %s; looking every %.1f s instead%s",
            self.directory,
            error.strerror,
            _UNWATCHED_LOOK,
            _USED_UP.get(error.errno or 0, ""),
        )

    async def _follow(self, inotify: Inotify) -> None:
        """Until the directory itself goes away."""
        self._tick()  # something may have happened before the watch was there
        while True:
            try:
                # Not wait_for: before Python 3.12 it swallows a cancellation that meets an event,
                # and an end by SIGTERM makes events.
                async with asyncio.timeout(_SLOW_LOOK):
                    event = await inotify.get()
            except TimeoutError:
                self._tick()
                continue
            self._tick()
            if event.mask & (Mask.DELETE_SELF | Mask.MOVE_SELF | Mask.IGNORED):
                return

    def _tick(self) -> None:
        self.changes.set(self.changes.value + 1)
