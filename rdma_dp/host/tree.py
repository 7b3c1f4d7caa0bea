"""A tree of files, on a disk or in a snapshot, with the same methods and errors.

Paths are relative to the tree's root ("sys/class/infiniband"). Every failure is an OSError with the
errno of the kernel, so a reader does not depend on the kind of tree.
"""

import os
from pathlib import Path
from typing import Protocol


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

    def status(self, path: str) -> Status:
        """The status of a file. Symlinks are followed."""


class DiskTree:
    """The files below a directory."""

    def __init__(self, root: Path | str = "/") -> None:
        self._root = str(Path(root).absolute()).rstrip("/")

    @property
    def live(self) -> bool:
        """Whether the directory is the machine's own root."""
        return self._root == ""

    def names(self, path: str) -> list[str]:
        """The names in a directory, in any order."""
        return os.listdir(f"{self._root}/{path}")

    def target(self, path: str) -> str:
        """The target of a symlink, unchanged."""
        return os.readlink(f"{self._root}/{path}")

    def read(self, path: str, limit: int) -> bytes:
        """At most `limit` bytes from the beginning of a file.

        One read(2) returns all of them, except in /proc, where it returns about a page (kernel
        fs/seq_file.c).
        """
        # O_NONBLOCK: without it, a FIFO in a captured tree would block.
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
        descriptor = os.open(f"{self._root}/{path}", flags)
        try:
            data = os.read(descriptor, limit)
            while path.startswith("proc/") and (more := os.read(descriptor, limit - len(data))):
                data += more
            return data
        finally:
            os.close(descriptor)

    def status(self, path: str) -> os.stat_result:
        """The status of a file. Symlinks are followed."""
        return os.stat(f"{self._root}/{path}")
