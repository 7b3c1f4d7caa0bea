"""What --root names: this machine, or another host's tree."""

from dataclasses import dataclass
from pathlib import Path

from rdma_dp.answers import Answers
from rdma_dp.discovery import scan
from rdma_dp.errors import RdmaDpError
from rdma_dp.host import Host
from rdma_dp.model import Inventory


@dataclass(frozen=True, slots=True)
class Root:
    """A node to look at. `answers` is None on this machine: it can be asked now."""

    host: Host
    answers: Answers | None

    def scan(self) -> Inventory:
        """One complete look. Raises HostError."""
        return scan(self.host, self.answers.netlink if self.answers else None)


def open_root(path: Path) -> Root:
    """The node that a path means. Raises RdmaDpError when it is none."""
    if not (path / "sys").is_dir():
        raise RdmaDpError(
            f"{path} is not the root of a host: it has no directory sys",
            "--root takes a directory that holds sys, and may hold dev and proc",
        )
    host = Host(path)
    return Root(host, None if host.live else Answers())
