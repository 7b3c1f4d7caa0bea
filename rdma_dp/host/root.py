"""What the argument of --root is: a directory with a host's tree, a file, or neither.

The daemon checks its --root here, so that it does not load the reader of snapshots.
"""

import stat
from enum import Enum
from pathlib import Path

from rdma_dp.errors import RdmaDpError
from rdma_dp.host.files import Host


class RootKind(Enum):
    """What a path is. TREE: a directory that holds `sys`. OTHER: neither, or it does not exist."""

    FILE = "file"
    TREE = "tree"
    OTHER = "other"


def mode_of(path: Path) -> int:
    """The mode of what is at `path`, 0 for nothing. Raises OSError when stat(2) fails otherwise.

    Path.is_file and its like hide such an error from Python 3.14 on.
    """
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0


def root_kind(path: Path) -> RootKind:
    """What is at `path`. Raises RdmaDpError when stat(2) fails, for a name that is too long say."""
    try:
        if stat.S_ISREG(mode_of(path)):
            return RootKind.FILE
        return RootKind.TREE if Host(path).is_directory("sys") else RootKind.OTHER
    except OSError as error:
        raise RdmaDpError(f"cannot read {path}: {error.strerror}") from error


def check_exists(path: Path) -> None:
    """Check that `path` is a tree or a file. Raises RdmaDpError."""
    if root_kind(path) is not RootKind.OTHER:
        return
    if not mode_of(path):
        raise RdmaDpError(
            f"there is no {path}", "--root takes a directory that holds sys, or a snapshot"
        )
    raise RdmaDpError(
        f"{path} is not the root of a host: it has no directory sys",
        "--root takes a directory that holds sys, and may hold dev and proc, or a snapshot",
    )


def check_tree(path: Path) -> None:
    """Check that `path` is a tree, which can change while the daemon runs. Raises RdmaDpError."""
    if root_kind(path) is RootKind.FILE:
        raise RdmaDpError(
            f"{path} is a file: a snapshot never changes, so the daemon cannot run on it",
            "discover, topo, dry-run, cdi and doctor read snapshots",
        )
    check_exists(path)
