"""A tree in memory that answers as the recorded tree did."""

import errno
import io
import os
import stat
from dataclasses import dataclass

from rdma_dp.host.symlinks import Resolver
from rdma_dp.host.tree import matching_lines
from rdma_dp.node.snapshot.contents import (
    CharNode,
    Contents,
    Directory,
    Entry,
    File,
    Operation,
    Special,
    Symlink,
    parent_of,
)


@dataclass(frozen=True, slots=True)
class RecordedStatus:
    """What stat(2) returned. The inode number is always 0, because this tree never changes."""

    st_mode: int
    st_rdev: int = 0
    st_ino: int = 0
    st_nlink: int = 1  # 0 for a directory that was deleted


class RecordedTree:
    """Answers from `contents`. What was not recorded is an error (EIO) that says so."""

    live = False

    def __init__(self, contents: Contents) -> None:
        self._contents = contents
        self._resolver = Resolver(self._link)

    def names(self, path: str) -> list[str]:
        """The names in a directory."""
        entry = self._entry(Operation.NAMES, self._resolver.canonical(path))
        if not isinstance(entry, Directory):
            raise _failure(errno.ENOTDIR)
        if entry.names is None:
            raise _not_recorded()
        return list(entry.names)

    def target(self, path: str) -> str:
        """A symlink's target, as readlink(2) returns it."""
        where = self._resolver.canonical(path, follow=False)
        if where in self._contents.magic_links:
            return self._contents.magic_links[where]
        entry = self._entry(Operation.TARGET, where)
        if not isinstance(entry, Symlink):
            raise _failure(errno.EINVAL)
        return entry.target

    def read(self, path: str, limit: int) -> bytes:
        """At most `limit` bytes from the beginning of a file."""
        return self._content(path)[:limit]

    def lines_with(self, path: str, words: tuple[str, ...]) -> bytes:
        """The lines of a text that contain one of the words."""
        return matching_lines(io.BytesIO(self._content(path)), words)

    def status(self, path: str) -> RecordedStatus:
        """The status of a file; links are followed."""
        entry = self._entry(Operation.STATUS, self._resolver.canonical(path))
        match entry:
            case CharNode(major, minor, mode):
                return RecordedStatus(mode, os.makedev(major, minor))
            case Directory():
                deleted = self._resolver.canonical(path) in self._contents.deleted
                return RecordedStatus(stat.S_IFDIR | 0o755, st_nlink=0 if deleted else 1)
            case Special(mode):
                return RecordedStatus(mode)
            case _:
                return RecordedStatus(stat.S_IFREG | 0o444)

    def _content(self, path: str) -> bytes:
        entry = self._entry(Operation.READ, self._resolver.canonical(path))
        if isinstance(entry, Directory):
            raise _failure(errno.EISDIR)
        if not isinstance(entry, File) or entry.content is None:
            raise _not_recorded()
        return entry.content

    def _link(self, path: str) -> str | None:
        entry = self._contents.entries.get(path)
        return entry.target if isinstance(entry, Symlink) else None

    def _entry(self, operation: Operation, path: str) -> Entry:
        failure = self._contents.failures.get((operation, path))
        if failure is not None:
            raise _failure(failure)
        entry = self._contents.entries.get(path)
        if entry is None:
            raise self._absence(path)
        return entry

    def _absence(self, path: str) -> OSError:
        above = self._contents.entries.get(parent_of(path))
        if isinstance(above, Directory):
            name = path.rpartition("/")[2]
            return _not_recorded() if name in (above.names or ()) else _failure(errno.ENOENT)
        if above is None:
            return self._absence(parent_of(path)) if path else _failure(errno.ENOENT)
        return _failure(errno.ENOTDIR)


def _failure(code: int) -> OSError:
    return OSError(code, os.strerror(code))


def _not_recorded() -> OSError:
    return OSError(errno.EIO, "the snapshot does not hold it")
