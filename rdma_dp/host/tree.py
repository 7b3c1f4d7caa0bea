"""A tree of files, on a disk or in a snapshot, with the same methods and errors.

Paths are relative to the tree's root ("sys/class/infiniband"). Every failure is an OSError with the
errno of the kernel, so a reader does not depend on the kind of tree.
"""

import errno
import gzip
import os
import re
import zlib
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


class DiskTree:
    """The files below a directory. No symlink leads out of it: "/" is the directory itself."""

    def __init__(self, root: Path | str = "/") -> None:
        self._root = str(Path(root).absolute()).rstrip("/")

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
        descriptor = _open(self._where(path))
        try:
            data = os.read(descriptor, limit)
            while path.startswith("proc/") and (more := os.read(descriptor, limit - len(data))):
                data += more
            return data
        finally:
            os.close(descriptor)

    def lines_with(self, path: str, words: tuple[str, ...]) -> bytes:
        """The lines of a text that contain one of the words. The text may be a gzip file."""
        with open(self._where(path), "rb", _LONGEST_LINE, opener=_open) as content:
            return matching_lines(content, words)

    def status(self, path: str) -> os.stat_result:
        """The status of a file. Symlinks are followed."""
        return os.stat(self._where(path))

    def _where(self, path: str, *, follow: bool = True) -> str:
        """The path for the kernel. Another host's tree can have links to absolute paths."""
        if self.live:
            return f"{self._root}/{path}"
        resolver = Resolver(self._link, lambda _: False)  # not kept: the tree may change
        inside = resolver.canonical(path, follow=follow)
        return f"{self._root}/{inside if resolver.leaves else path}"

    def _link(self, path: str) -> str | None:
        try:
            target = os.readlink(f"{self._root}/{path}")
        except OSError as error:
            if error.errno in _NO_LINK:
                return None
            raise
        return None if _OBJECT.fullmatch(target) else target


def _open(path: str, flags: int = os.O_RDONLY) -> int:
    # O_NONBLOCK: without it, a FIFO in a captured tree would block.
    return os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK)
