"""The node that --root names: this machine, another host's tree, or a snapshot."""

from dataclasses import dataclass
from pathlib import Path

from rdma_dp.config.loading import FoundConfig
from rdma_dp.discovery import scan
from rdma_dp.host.files import Host
from rdma_dp.host.netlink.backends import RecordedNetlink
from rdma_dp.host.root import RootKind, check_exists, root_kind
from rdma_dp.inventory.hardware import Inventory
from rdma_dp.node.answers import Answers, AnswerSource
from rdma_dp.node.queries import LiveAnswers
from rdma_dp.node.snapshot import archive_reading
from rdma_dp.node.snapshot.recorded import RecordedTree


@dataclass(frozen=True, slots=True)
class NodeSource:
    """A node: its files and netlink (`host`), and its other answers.

    `config` is the config that the node had when a snapshot was taken, None for other sources.
    """

    host: Host
    answers: AnswerSource
    config: FoundConfig | None = None

    def scan(self) -> Inventory:
        """One complete scan. Raises HostError."""
        return scan(self.host)


def open_source(path: Path) -> NodeSource:
    """The node at `path`. Raises RdmaDpError when there is none."""
    check_exists(path)
    if root_kind(path) is RootKind.FILE:
        snapshot = archive_reading.read(path)
        host = Host(RecordedTree(snapshot.contents), RecordedNetlink(snapshot.netlink))
        return NodeSource(host, snapshot.answers, snapshot.config)
    host = Host(path)
    return NodeSource(host, LiveAnswers(host) if host.live else Answers())
