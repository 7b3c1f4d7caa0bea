"""Watch the names in a directory: kubelet.sock created again, a socket removed, a config replaced.

A change carries no state. Observers read the directory again.
"""

import asyncio
import errno
import logging
import os
from pathlib import Path

# Its import runs ldconfig once, by ctypes.util.find_library, to find the C library.
from asyncinotify import Inotify, Mask

from rdma_dp.aio.latest import Latest
from rdma_dp.aio.threads import in_thread
from rdma_dp.log import Notice

logger = logging.getLogger(__name__)

# Seconds between two checks of whether the directory was replaced without an event, as by a mount.
_INTERVAL = 30.0

# Seconds between two tries while the directory is missing or inotify does not work.
UNWATCHED_INTERVAL = 0.5

_Identity = tuple[tuple[int, ...] | None, ...]

# inotify_init(2) and inotify_add_watch(2) return these when a limit is reached.
_USED_UP = {
    errno.EMFILE: " (the limit of open files or the sysctl fs.inotify.max_user_instances may be"
    " too low)",
    errno.ENOSPC: " (the sysctl fs.inotify.max_user_watches may be too low)",
}

# A ConfigMap mount renames its ..data link. An editor can write a file in place. A mount or a
# rename can replace the directory itself.
_EVENTS = (
    Mask.CREATE
    | Mask.MOVED_TO
    | Mask.MOVED_FROM
    | Mask.CLOSE_WRITE
    | Mask.ATTRIB
    | Mask.DELETE
    | Mask.DELETE_SELF
    | Mask.MOVE_SELF
)


# Events after which other tasks get a turn, and for how many seconds. A process that makes files
# faster than they are read here would hold the loop for as long as it runs.
_AT_ONCE = 200
_REST = 0.05

_ENDS = Mask.DELETE_SELF | Mask.MOVE_SELF | Mask.IGNORED


class DirectoryWatch:
    """Counts the changes of names in one directory. `changes` is the count, for observers.

    The first count is that of the first reading. Without inotify each try counts.
    """

    def __init__(
        self, directory: Path, interval: float = _INTERVAL, file: Path | None = None
    ) -> None:
        """`file` is a file in the directory that may be a link to another one.

        `interval`: seconds after which it is noticed that either was changed without an event.
        """
        self.directory = directory
        self._interval = interval
        self._file = file
        self.changes = Latest(0)
        self._notice = Notice(logger.warning)

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            try:
                # First: a directory that is replaced now differs at the next check.
                before = await in_thread(self._identities)
                with Inotify() as inotify:
                    inotify.sync_timeout = 0
                    inotify.add_watch(self.directory, _EVENTS)
                    await self._follow(inotify, before)
            except FileNotFoundError:
                await self._until_there()
            except (OSError, MemoryError) as error:
                self._say(error)
                await asyncio.sleep(UNWATCHED_INTERVAL)
            self._tick()

    async def _until_there(self) -> None:
        """Waits for a directory that does not exist yet, which is no error."""
        if self.changes.value == 0:
            self._tick()
        # No event reports it: inotify watches what is there.
        while _identity(self.directory) is None:  # noqa: ASYNC110
            await asyncio.sleep(UNWATCHED_INTERVAL)

    def _say(self, error: OSError | MemoryError) -> None:
        code = error.errno if isinstance(error, OSError) else errno.ENOMEM
        self._notice.set(
            f"cannot watch {self.directory}: {os.strerror(code or errno.EIO)}; reading it every"
            f" {UNWATCHED_INTERVAL:.1f} s instead{_USED_UP.get(code or 0, '')}"
        )

    async def _follow(self, inotify: Inotify, before: _Identity) -> None:
        """Count changes until the directory itself is removed, renamed or replaced."""
        self._tick()  # something may have changed before the watch existed
        while True:
            try:
                # Not wait_for: before Python 3.12 it loses a cancellation that comes together with
                # an event, and the end of the daemon causes events.
                async with asyncio.timeout(self._interval):
                    await _readable(inotify.fd)
            except TimeoutError:
                if (now := await in_thread(self._identities)) == before:
                    continue
                if now[0] != before[0]:
                    return
                before = now
                self._tick()
                continue
            # Not `await inotify.get()`: a read that fails would fail again and again in a callback.
            ended, seen = False, 0
            while (event := inotify.sync_get()) is not None:
                ended, seen = ended or bool(event.mask & _ENDS), seen + 1
                if seen % _AT_ONCE == 0:
                    self._tick()
                    await asyncio.sleep(_REST)
            self._tick()
            if ended:
                return

    def _tick(self) -> None:
        self.changes.set(self.changes.value + 1)

    def _identities(self) -> _Identity:
        """Of the directory, and of what the file is now."""
        file = () if self._file is None else (_identity(self._file, content=True),)
        return _identity(self.directory), *file


def _identity(path: Path, *, content: bool = False) -> tuple[int, ...] | None:
    """What differs for another file under the same name, and for another `content`."""
    try:
        found = path.stat()
    except OSError:
        return None
    same = found.st_dev, found.st_ino
    return (*same, found.st_size, found.st_mtime_ns) if content else same


async def _readable(descriptor: int) -> None:
    loop, readable = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(descriptor)
