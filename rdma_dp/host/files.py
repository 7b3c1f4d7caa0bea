"""The host as files under one root: the table of paths, and reads that tolerate a moving kernel.

Paths are relative to the root and written as on the host ("sys/class/infiniband"), in messages
too, so a captured tree, a snapshot, a sample host and the live machine run through the same code
and look alike. Nothing else in rdma-dp names a path below /sys, /proc or /dev.
"""

import errno
import posixpath
import stat
from pathlib import Path
from typing import TypeVar

from rdma_dp.errors import RdmaDpError
from rdma_dp.host.netlink.backends import KernelNetlink, Netlink, RecordedNetlink
from rdma_dp.host.tree import DiskTree, Status, Tree

# sysfs hands out at most a page per attribute (kernel fs/sysfs/file.c, sysfs_kf_seq_show).
_PAGE = 4096

# How often a slow read that fails is tried.
_ATTEMPTS = 3

T = TypeVar("T")

# What a kernel answers when a device goes away in the middle of a read (ENODEV, ENXIO), when the
# attribute does not exist for this kind of device (ENOENT, EINVAL, EOPNOTSUPP, ENODATA), or when
# a component of the path is no directory any more. None of it is a failure of the scan.
_GONE = frozenset(
    {
        errno.ENOENT,
        errno.ENODEV,
        errno.ENXIO,
        errno.EINVAL,
        errno.EOPNOTSUPP,
        errno.ENODATA,
        errno.ENOTDIR,
    }
)


# What says something of us, not of the host.
EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})


class HostError(RdmaDpError):
    """A read that failed for another reason than "it is not there (any more)"."""


class ExhaustedError(RdmaDpError):
    """We have run out of descriptors or memory: nothing that we read now is to be believed."""


class Host:
    """Reads below one root. Every method answers None or () for what is not there.

    Raises HostError for anything else, ExhaustedError when the failure is our own: neither ever
    looks like an empty host.
    """

    def __init__(self, tree: Tree | Path | str = "/", netlink: Netlink | None = None) -> None:
        """`netlink` defaults to this machine's kernel for its own root, and to none for others."""
        self._tree: Tree = DiskTree(tree) if isinstance(tree, Path | str) else tree
        self._netlink = netlink or (KernelNetlink() if self._tree.live else RecordedNetlink())
        self._unchanging: dict[tuple[str, int], bytes | None] = {}
        self._failures: dict[tuple[str, int], list[HostError]] = {}

    @property
    def tree(self) -> Tree:
        """Where it reads."""
        return self._tree

    @property
    def netlink(self) -> Netlink:
        """What answers the questions that go over netlink."""
        return self._netlink

    @property
    def live(self) -> bool:
        """Whether this is the machine that we run on."""
        return self._tree.live

    def entries(self, path: str) -> tuple[str, ...]:
        """The names in a directory, sorted; () when there is none."""
        try:
            return tuple(sorted(self._tree.names(path)))
        except OSError as error:
            return self._absent_or_raise(path, error, ())

    def read(self, path: str) -> str | None:
        """An attribute's text without white space around it; None when it is not there."""
        data = self.read_bytes(path, _PAGE)
        return None if data is None else data.decode("utf-8", "replace").strip("\0 \t\r\n")

    def read_int(self, path: str, base: int = 10) -> int | None:
        """An attribute as a number; None when it is not there or holds something else."""
        text = self.read(path)
        try:
            return None if text is None else int(text, base)
        except ValueError:
            return None

    def read_or_none(self, path: str) -> str | None:
        """As `read`, but None also when the read fails: for what nothing else depends on."""
        try:
            return self.read(path)
        except HostError:
            return None

    def read_int_or_none(self, path: str, base: int = 10) -> int | None:
        """As `read_int`, but None also when the read fails."""
        try:
            return self.read_int(path, base)
        except HostError:
            return None

    def read_bytes(self, path: str, limit: int) -> bytes | None:
        """At most `limit` bytes of a file."""
        try:
            return self._tree.read(path, limit)
        except OSError as error:
            return self._absent_or_raise(path, error, None)

    def read_unchanging(self, path: str, limit: int) -> bytes | None:
        """As read_bytes, but read once for as long as the file exists (its inode tells).

        For what is slow to read and burnt into the hardware. A read that fails is tried again a
        few times, then its HostError is remembered too: it may be as slow.
        """
        try:
            key = (path, self._tree.status(path).st_ino)
        except OSError as error:
            return self._absent_or_raise(path, error, None)
        if key in self._unchanging:
            return self._unchanging[key]
        failures = self._failures.setdefault(key, [])
        if len(failures) >= _ATTEMPTS:
            raise failures[-1]
        try:
            self._unchanging[key] = self.read_bytes(path, limit)
        except HostError as error:
            failures.append(error)
            raise
        return self._unchanging[key]

    def follow(self, path: str) -> str | None:
        """Where a symlink leads, as a path relative to the root; the path itself if it is none.

        One step only: the links of sysfs lead to real directories. None when nothing is there,
        or when the link leads out of the root.
        """
        try:
            target = self._tree.target(path)
        except OSError as error:
            if error.errno == errno.EINVAL:  # readlink(2): the named file is not a symbolic link
                return path
            return self._absent_or_raise(path, error, None)
        if target.startswith("/"):
            return target.lstrip("/")
        followed = posixpath.normpath(f"{path}/../{target}")
        return None if followed.startswith("..") else followed

    def link_name(self, path: str) -> str | None:
        """The last component of where a symlink leads (a driver's name, say)."""
        try:
            return posixpath.basename(self._tree.target(path))
        except OSError as error:
            return self._absent_or_raise(path, error, None)

    def is_directory(self, path: str) -> bool:
        """Whether there is a directory; a symlink to one counts. Raises ExhaustedError alone."""
        try:
            found = self.status(path)
        except (HostError, ValueError):  # ValueError: no file has such a name
            return False
        return found is not None and stat.S_ISDIR(found.st_mode)

    def status(self, path: str) -> Status | None:
        """What stat(2) reports about a file, links followed; None when it is not there."""
        try:
            return self._tree.status(path)
        except OSError as error:
            return self._absent_or_raise(path, error, None)

    def _absent_or_raise(self, path: str, error: OSError, absent: T) -> T:
        if error.errno in _GONE:
            return absent
        if error.errno in EXHAUSTED:
            raise ExhaustedError(f"cannot read /{path}: {error.strerror}") from error
        hint = "run as root" if error.errno in (errno.EACCES, errno.EPERM) else None
        raise HostError(f"cannot read /{path}: {error.strerror}", hint) from error
