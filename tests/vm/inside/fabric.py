"""The VM's HCAs: Soft-RoCE on virtual netdevs, with numbers of nodes that are not their own."""

import os
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

RDMA_CM = "/dev/infiniband/rdma_cm"


@dataclass(frozen=True, slots=True)
class SoftHca:
    """An rxe device, to be, on a netdev with this IPv4 address."""

    name: str
    netdev: str
    address: str

    @property
    def nodes(self) -> set[str]:
        """Every node that the kernel has for it just now: rxe gets a uverbs, a umad and an issm."""
        owners = Path("/sys/class").glob("infiniband_*/*/ibdev")
        names = [path.parent.name for path in owners if path.read_text().strip() == self.name]
        assert len(names) == 3, names
        return {f"/dev/infiniband/{name}" for name in names}

    @property
    def uverbs(self) -> str:
        """The node for verbs."""
        return next(node for node in self.nodes if "uverbs" in node)


# One end of a veth pair, and two dummies.
STORAGE = SoftHca("rxe0", "storage0", "10.0.0.1")
FABRIC_A = SoftHca("rxe1", "fabric0", "10.0.1.1")
FABRIC_B = SoftHca("rxe2", "fabric1", "10.0.2.1")
HCAS = (STORAGE, FABRIC_A, FABRIC_B)


def build() -> None:
    """Make them all. Number 0 goes to an HCA that is gone again: rxe1 has uverbs2."""
    run("ip", "link", "add", "spare", "type", "dummy")
    run("rdma", "link", "add", "rxe_spare", "type", "rxe", "netdev", "spare")
    run("ip", "link", "add", STORAGE.netdev, "type", "veth", "peer", "name", "storage0-peer")
    run("ip", "link", "set", "storage0-peer", "up")
    for hca in (FABRIC_A, FABRIC_B):
        run("ip", "link", "add", hca.netdev, "type", "dummy")
    for hca in HCAS:
        run("ip", "address", "add", f"{hca.address}/24", "dev", hca.netdev)
        run("ip", "link", "set", hca.netdev, "up")
        plug(hca)
    run("rdma", "link", "delete", "rxe_spare")


def plug(hca: SoftHca) -> None:
    """Let it appear: it gets the lowest free number."""
    run("rdma", "link", "add", hca.name, "type", "rxe", "netdev", hca.netdev)


def unplug(hca: SoftHca) -> None:
    """Let it vanish, its nodes with it."""
    run("rdma", "link", "delete", hca.name)


@contextmanager
def exclusive_netns_mode() -> Iterator[None]:
    """RDMA devices belong to one net namespace each, until the end or `set_netns_mode`."""
    set_netns_mode("exclusive")
    try:
        yield
    finally:
        set_netns_mode("shared")


def set_netns_mode(mode: str) -> None:
    """Set "shared" or "exclusive"; the kernel refuses the latter while there is a second netns."""
    run("rdma", "system", "set", "netns", mode)


@contextmanager
def node_replaced(node: str, number: int | None) -> Iterator[None]:
    """The node is another character device meanwhile; with None it is gone."""
    path = Path(node)
    aside = path.with_name("aside")
    path.rename(aside)
    try:
        if number is not None:
            os.mknod(path, stat.S_IFCHR | 0o666, number)
        yield
    finally:
        aside.replace(path)


def run(*command: str) -> str:
    """Run a tool that has to succeed; what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout
