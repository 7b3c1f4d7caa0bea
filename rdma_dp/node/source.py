"""What --root names: this machine, another host's tree, or a snapshot of one."""

from dataclasses import dataclass
from pathlib import Path

from rdma_dp.config.loading import FoundConfig
from rdma_dp.discovery import scan
from rdma_dp.host.files import Host
from rdma_dp.host.root import RootKind, check_exists, root_kind
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
    """The node at `path`. Raises RdmaDpError when there is none."""
    check_exists(path)
    if root_kind(path) is RootKind.FILE:
        snapshot = archive_reading.read(path)
        return NodeSource(Host(RecordedTree(snapshot.contents)), snapshot.answers, snapshot.config)
    host = Host(path)
    return NodeSource(host, None if host.live else Answers())
