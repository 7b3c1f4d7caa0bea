"""Read the files of a host below one root, while the kernel adds and removes them.

Paths are relative to the root and the same as on the host ("sys/class/infiniband"). So the same
code reads the live machine, a captured tree, a snapshot and a simulated host.
"""

import errno
import posixpath
import stat
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TypeVar

from rdma_dp.errors import RdmaDpError
from rdma_dp.host.netlink.backends import KernelNetlink, Netlink, RecordedNetlink
from rdma_dp.host.tree import DiskTree, Status, Tree

# More than any attribute that is read here has. sysfs returns at most one page of it (kernel
# fs/sysfs/file.c, sysfs_kf_seq_show), which is 64 KiB on nodes with Grace.
_PAGE = 4096

# How often read_unchanging tries a read that fails.
_ATTEMPTS = 3

T = TypeVar("T")

# Errors that mean "not there": the device was removed during the read (ENODEV, ENXIO), this kind of
# device has no such attribute (ENOENT, EINVAL, EOPNOTSUPP, ENODATA), or a component of the path is
# not a directory (ENOTDIR). The scan goes on.
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


# Errors that concern this process or the whole machine, not the file.
EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})


class HostError(RdmaDpError):
    """A read that failed for another reason than "not there"."""


class ExhaustedError(RdmaDpError):
    """Descriptors or memory are used up: nothing that is read now can be trusted."""


class Host:
    """Reads files below one root. Every method returns None or () for what is not there.

    Every method raises HostError when a read fails for another reason, and ExhaustedError when
    descriptors or memory are used up, so that a failure never looks like an empty host.
    """

    def __init__(self, tree: Tree | Path | str = "/", netlink: Netlink | None = None) -> None:
        """`netlink` defaults to this machine's kernel for its own root, and to none for others."""
        self._tree: Tree = DiskTree(tree) if isinstance(tree, Path | str) else tree
        self._netlink = netlink or (KernelNetlink() if self._tree.live else RecordedNetlink())
        self._unchanging: dict[tuple[str, int], bytes | None] = {}
        self._failures: dict[tuple[str, int], list[HostError]] = {}

    def at_one_moment(self) -> AbstractContextManager[None]:
        """A context for one scan: its reads resolve each directory of another host's tree once."""
        return self._tree.links_kept() if isinstance(self._tree, DiskTree) else nullcontext()

    @property
    def tree(self) -> Tree:
        """The tree that is read."""
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
        """The names in a directory, sorted; () when the directory is not there."""
        try:
            return tuple(sorted(self._tree.names(path)))
        except OSError as error:
            return self._absent_or_raise(path, error, ())

    def read(self, path: str) -> str | None:
        """The text of an attribute without surrounding white space; None when it is not there."""
        data = self.read_bytes(path, _PAGE)
        return None if data is None else data.decode("utf-8", "replace").strip("\0 \t\r\n")

    def read_int(self, path: str, base: int = 10) -> int | None:
        """An attribute as a number; None when it is not there or not a number."""
        text = self.read(path)
        try:
            return None if text is None else int(text, base)
        except ValueError:
            return None

    def read_or_none(self, path: str) -> str | None:
        """As `read`, but None instead of a HostError, for facts that the scan can miss."""
        try:
            return self.read(path)
        except HostError:
            return None

    def read_int_or_none(self, path: str, base: int = 10) -> int | None:
        """As `read_int`, but None instead of a HostError, for facts that the scan can miss."""
        try:
            return self.read_int(path, base)
        except HostError:
            return None

    def read_bytes(self, path: str, limit: int) -> bytes | None:
        """At most `limit` bytes of a file; None when it is not there."""
        try:
            return self._tree.read(path, limit)
        except OSError as error:
            return self._absent_or_raise(path, error, None)

    def lines_with(self, path: str, words: tuple[str, ...]) -> tuple[str, ...] | None:
        """The lines of a long text that contain one of the words; None when it is not there.

        A gzip file is unpacked. A snapshot keeps only these lines of it.
        """
        try:
            data = self._tree.lines_with(path, words)
        except OSError as error:
            return self._absent_or_raise(path, error, None)
        return tuple(data.decode("utf-8", "replace").splitlines())

    def read_unchanging(self, path: str, limit: int) -> bytes | None:
        """As `read_bytes`, but read once as long as the file has the same inode.

        For data of the hardware that never changes and is slow to read. A read that fails is tried
        three times; then its HostError is raised without another read, which can be as slow.
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
        """The target of a symlink, relative to the root; the path itself if it is not a symlink.

        Only one symlink is followed, because those of sysfs point to real directories. None when
        nothing is there, or when the target is outside of the root.
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
        """The last component of a symlink's target, for example the name of a driver."""
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

    def is_deleted(self, path: str) -> bool:
        """Whether a directory was deleted but is still mounted (rmdir(2) sets its links to 0)."""
        try:
            found = self.status(path)
        except HostError:
            return False
        return found is not None and stat.S_ISDIR(found.st_mode) and found.st_nlink == 0

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
