"""A tree of files as the system calls show it: on a disk, or anywhere else that can answer alike.

Paths are relative to the tree's root ("sys/class/infiniband"). Every failure is an OSError with
the kernel's number, so that whoever reads need not know what kind of tree it is.
"""

import os
from pathlib import Path
from typing import Protocol


class Status(Protocol):
    """What stat(2) tells of a file; `os.stat_result` has it all."""

    @property
    def st_mode(self) -> int: ...  # noqa: D102 (stat(2) documents them)

    @property
    def st_rdev(self) -> int: ...  # noqa: D102

    @property
    def st_ino(self) -> int: ...  # noqa: D102


class Tree(Protocol):
    """Files below one root."""

    @property
    def live(self) -> bool:
        """Whether this is the machine that we run on."""

    def names(self, path: str) -> list[str]:
        """The names in a directory, in any order."""

    def target(self, path: str) -> str:
        """Where a symlink leads, as it stands in the link."""

    def read(self, path: str, limit: int) -> bytes:
        """At most `limit` bytes from the beginning of a file."""

    def status(self, path: str) -> Status:
        """What is there; links are followed."""


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
        """Where a symlink leads, as it stands in the link."""
        return os.readlink(f"{self._root}/{path}")

    def read(self, path: str, limit: int) -> bytes:
        """At most `limit` bytes from the beginning of a file.

        One read(2) does, but in /proc: there it gives a page or so (kernel fs/seq_file.c).
        """
        # O_NONBLOCK: a FIFO in somebody's captured tree would be waited for.
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
        """What is there; links are followed."""
        return os.stat(f"{self._root}/{path}")
