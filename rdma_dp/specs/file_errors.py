"""Why files in a directory cannot be written, read or removed, and what to do."""

import errno
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from rdma_dp.errors import RdmaDpError
from rdma_dp.host.descriptors import raise_if_exhausted

_NOT_A_DIRECTORY = "something in this path is not a directory: remove it"
_HINTS = MappingProxyType(
    {
        errno.ENOSPC: "the disk is full: make room",
        errno.EDQUOT: "the disk quota is used up: make room",
        errno.EROFS: "mount the directory writable",
        errno.EACCES: "run as root",
        errno.EPERM: "run as root",
        errno.ENOTDIR: _NOT_A_DIRECTORY,
        errno.EEXIST: _NOT_A_DIRECTORY,
        errno.ENAMETOOLONG: "choose a shorter resourceName or resourcePrefix",
    }
)


# With these, the directory is not there. Any other failure says nothing about the files in it.
_NO_DIRECTORY = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EEXIST, errno.ELOOP})


class FileError(RdmaDpError):
    """One file cannot be written or removed, or the directory cannot be used."""


class UnreadError(FileError):
    """The directory cannot be read now. The files in it may be as they were."""


def raise_first(failures: Mapping[str, FileError]) -> None:
    """Raises the first of these errors, if there is one."""
    for each in failures.values():
        raise each


def unusable(verb: str, directory: Path, error: OSError) -> FileError:
    """The error of the whole directory. Raises ExhaustedError."""
    found = failure(verb, directory, error)
    return found if error.errno in _NO_DIRECTORY else UnreadError(found.message, found.hint)


def failure(verb: str, path: Path, error: OSError) -> FileError:
    """The error of one file. Raises ExhaustedError."""
    raise_if_exhausted(error, f"{verb} {path}")
    return FileError(f"cannot {verb} {path}: {error.strerror}", _HINTS.get(error.errno or 0))
