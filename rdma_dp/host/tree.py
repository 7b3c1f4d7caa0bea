"""A tree of files, on a disk or in a snapshot, with the same methods and errors.

Paths are relative to the tree's root ("sys/class/infiniband"). Every failure is an OSError with the
errno of the kernel, so a reader does not depend on the kind of tree.
"""

import errno
import gzip
import os
import re
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO, Protocol

from rdma_dp.host.symlinks import Resolver

_GZIP = b"\x1f\x8b"  # RFC 1952, section 2.3.1
_LONGEST_LINE = 1 << 16  # bytes; a longer line is read as several
_LONGEST_TEXT = 1 << 28  # bytes; /proc/kallsyms has about 20 MB


class Status(Protocol):
    """The fields of stat(2) that are used. `os.stat_result` has them."""

    @property
    def st_mode(self) -> int: ...  # noqa: D102 (stat(2) documents them)

    @property
    def st_rdev(self) -> int: ...  # noqa: D102

    @property
    def st_ino(self) -> int: ...  # noqa: D102

    @property
    def st_nlink(self) -> int: ...  # noqa: D102


class Tree(Protocol):
    """Files below one root."""

    @property
    def live(self) -> bool:
        """Whether this is the machine that we run on."""

    def names(self, path: str) -> list[str]:
        """The names in a directory, in any order."""

    def target(self, path: str) -> str:
        """The target of a symlink, unchanged."""

    def read(self, path: str, limit: int) -> bytes:
        """At most `limit` bytes from the beginning of a file."""

    def lines_with(self, path: str, words: tuple[str, ...]) -> bytes:
        """The lines of a text that contain one of the words. The text may be a gzip file."""

    def status(self, path: str) -> Status:
        """The status of a file. Symlinks are followed."""


def matching_lines(content: IO[bytes], words: tuple[str, ...]) -> bytes:
    """The lines of a text, plain or gzip, that contain one of the words. Raises OSError."""
    packed = content.read(len(_GZIP)) == _GZIP
    content.seek(0)
    text = gzip.GzipFile(fileobj=content) if packed else content
    wanted = [word.encode() for word in words]
    found, size = [], 0
    try:
        while size < _LONGEST_TEXT and (line := text.readline(_LONGEST_LINE)):
            size += len(line)
            if any(word in line for word in wanted):
                found.append(line if line.endswith(b"\n") else line + b"\n")
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise OSError(errno.EIO, "not a complete gzip file") from error
    return b"".join(found)


# The name of a kernel object, which is no path: "net:[4026531840]" (kernel fs/nsfs.c, ns_get_name).
_OBJECT = re.compile(r"\w+:\[\d+\]", re.ASCII)

# readlink(2): not a link, or nothing there. The read that follows finds out what is wrong.
_NO_LINK = frozenset({errno.EINVAL, errno.ENOENT, errno.ENOTDIR})

# O_NONBLOCK: without it, a FIFO in a captured tree would block.
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK


class DiskTree:
    """The files below a directory. No symlink leads out of it: "/" is the directory itself."""

    def __init__(self, root: Path | str = "/") -> None:
        self._root = str(Path(root).absolute()).rstrip("/")
        self._kept: Resolver | None = None

    @contextmanager
    def links_kept(self) -> Iterator[None]:
        """Each link is read once in this context, which shall be as short as one scan.

        So is what is no link: a tree that is not the machine's own must not change meanwhile.
        """
        self._kept = Resolver(cache(self._link), _nothing_is_opaque)
        try:
            yield
        finally:
            self._kept = None

    @property
    def live(self) -> bool:
        """Whether the directory is the machine's own root."""
        return self._root == ""

    def names(self, path: str) -> list[str]:
        """The names in a directory, in any order."""
        return os.listdir(self._where(path))

    def target(self, path: str) -> str:
        """The target of a symlink, unchanged."""
        return os.readlink(self._where(path, follow=False))

    def read(self, path: str, limit: int) -> bytes:
        """At most `limit` bytes from the beginning of a file.

        One read(2) returns all of them, except in /proc, where it returns about a page (kernel
        fs/seq_file.c).
        """
        descriptor = self._open(path)
        try:
            data = os.read(descriptor, limit)
            while path.startswith("proc/") and (more := os.read(descriptor, limit - len(data))):
                data += more
            return data
        finally:
            os.close(descriptor)

    def lines_with(self, path: str, words: tuple[str, ...]) -> bytes:
        """The lines of a text that contain one of the words. The text may be a gzip file."""
        with open(path, "rb", _LONGEST_LINE, opener=lambda *_: self._open(path)) as content:
            return matching_lines(content, words)

    def status(self, path: str) -> os.stat_result:
        """The status of a file. Symlinks are followed."""
        found = os.stat(self._where(path, follow=self.live), follow_symlinks=self.live)
        return os.stat(self._where(path)) if stat.S_ISLNK(found.st_mode) else found

    def _open(self, path: str) -> int:
        if self.live:
            return os.open(self._where(path), _FLAGS)
        try:
            # Few files are links, and the kernel finds out faster.
            return os.open(self._where(path, follow=False), _FLAGS | os.O_NOFOLLOW)
        except OSError as error:
            if error.errno != errno.ELOOP:  # open(2): the file is a link
                raise
        return os.open(self._where(path), _FLAGS)

    def _where(self, path: str, *, follow: bool = True) -> str:
        """The path for the kernel. Another host's tree can have links to absolute paths."""
        if self.live:
            return f"{self._root}/{path}"
        # Not kept for longer than a scan: the tree may change.
        resolver = self._kept or Resolver(self._link, _nothing_is_opaque)
        inside, leaves = resolver.resolved(path, follow=follow)
        return f"{self._root}/{inside if leaves else path}"

    def _link(self, path: str) -> str | None:
        try:
            target = os.readlink(f"{self._root}/{path}")
        except OSError as error:
            if error.errno in _NO_LINK:
                return None
            raise
        # A file with the name of a kernel object was made to lead out of the root.
        beside = f"{self._root}/{path.rpartition('/')[0]}/{target}"
        return None if _OBJECT.fullmatch(target) and not os.path.lexists(beside) else target


def _nothing_is_opaque(path: str) -> bool:  # noqa: ARG001 - as Resolver calls it
    return False
