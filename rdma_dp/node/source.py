"""What --root names: this machine, another host's tree, or a snapshot of one."""

from dataclasses import dataclass
from pathlib import Path

from rdma_dp.config.loading import FoundConfig
from rdma_dp.discovery import scan
from rdma_dp.errors import RdmaDpError
from rdma_dp.host.files import Host
from rdma_dp.inventory.hardware import Inventory
from rdma_dp.node.answers import Answers
from rdma_dp.node.snapshot import archive_reading
from rdma_dp.node.snapshot.recorded import RecordedTree


@dataclass(frozen=True, slots=True)
class NodeSource:
    """A node to look at. `answers` is None on this machine: it can be asked now.

    `config` is the one that the node had when a snapshot was taken.
    """

    host: Host
    answers: Answers | None
    config: FoundConfig | None = None

    def scan(self) -> Inventory:
        """One complete look. Raises HostError."""
        return scan(self.host, self.answers.netlink if self.answers else None)


def open_source(path: Path) -> NodeSource:
    """The node that a path means. Raises RdmaDpError when it is none."""
    file, directory = kind(path)
    if file:
        snapshot = archive_reading.read(path)
        return NodeSource(Host(RecordedTree(snapshot.contents)), snapshot.answers, snapshot.config)
    if not directory:
        if not path.exists():
            raise RdmaDpError(
                f"there is no {path}", "--root takes a directory that holds sys, or a snapshot"
            )
        raise RdmaDpError(
            f"{path} is not the root of a host: it has no directory sys",
            "--root takes a directory that holds sys, and may hold dev and proc, or a snapshot",
        )
    host = Host(path)
    return NodeSource(host, None if host.live else Answers())


def open_directory(path: Path) -> NodeSource:
    """Likewise, for what has to go on changing."""
    if kind(path)[0]:
        raise RdmaDpError(
            f"{path} is a file: a snapshot never changes, so there is nothing to run on",
            "discover, topo, dry-run, cdi and doctor look at it",
        )
    return open_source(path)


def kind(path: Path) -> tuple[bool, bool]:
    """Whether it is a file, and whether it is a directory with a host's tree.

    Raises RdmaDpError when nobody can tell.
    """
    try:
        return path.is_file(), (path / "sys").is_dir()
    except OSError as error:  # its directory is closed to us, or its name is too long
        raise RdmaDpError(f"cannot look at {path}: {error.strerror}") from error
