"""inotify(7): what happens to the names in directories.

Called by ctypes. The package asyncinotify starts ldconfig at each import, to find the C library
that this process has loaded. Constants are from the kernel's include/uapi/linux/inotify.h.
"""

import asyncio
import ctypes
import os
import struct
from enum import IntFlag
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self


class Mask(IntFlag):
    """What can happen. IGNORED, and OVERFLOW for events that are lost, always come."""

    CLOSE_WRITE = 0x8
    MOVED_FROM = 0x40
    MOVED_TO = 0x80
    CREATE = 0x100
    DELETE = 0x200
    DELETE_SELF = 0x400
    MOVE_SELF = 0x800
    OVERFLOW = 0x4000
    IGNORED = 0x8000


class Event(NamedTuple):
    """What happened to `path`; None for events of no file, such as OVERFLOW."""

    mask: int
    path: Path | None


_EVENT = struct.Struct("iIII")  # inotify_event: watch, mask, cookie, length of the name
_BUFFER = 16384  # bytes for one read: at least 60 events

_libc = ctypes.CDLL(None, use_errno=True)


class Inotify:
    """An inotify instance. Methods raise OSError as inotify_init(2) and inotify_add_watch(2)."""

    def __init__(self) -> None:
        self._fd = _checked(_libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        self._watched: dict[int, Path] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends all watches."""
        os.close(self._fd)

    def add_watch(self, directory: Path, mask: int) -> None:
        """Watches a directory, which may be a symlink to one."""
        watch = _checked(_libc.inotify_add_watch(self._fd, os.fsencode(directory), mask))
        self._watched[watch] = directory

    async def readable(self) -> None:
        """Waits for an event."""
        loop, readable = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._fd, readable.set)
        try:
            await readable.wait()
        finally:
            loop.remove_reader(self._fd)

    def read(self) -> list[Event]:
        """Some of the events that came, in their order; none when there is none."""
        try:
            data = os.read(self._fd, _BUFFER)
        except BlockingIOError:
            return []
        events = []
        while data:
            watch, mask, _, length = _EVENT.unpack_from(data)
            name = data[_EVENT.size : _EVENT.size + length].rstrip(b"\0")
            directory = self._watched.get(watch)
            events.append(Event(mask, directory and directory / os.fsdecode(name)))
            data = data[_EVENT.size + length :]
        return events


def _checked(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
