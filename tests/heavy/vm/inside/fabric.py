"""The VM's HCAs: Soft-RoCE on virtual netdevs. The numbers of their nodes differ from their own."""

import os
import socket
import stat
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

RDMA_CM = "/dev/infiniband/rdma_cm"
IFF_UP = 0x1  # kernel include/uapi/linux/if.h


@dataclass(frozen=True, slots=True)
class SoftHca:
    """An rxe device on a netdev with this IPv4 address. It may not exist yet."""

    name: str
    netdev: str
    address: str

    @property
    def nodes(self) -> set[str]:
        """Every node that the kernel has for it now.

        rxe has a uverbs, a umad and, until about kernel 6.11, an issm.
        """
        nodes = self._nodes("infiniband_*")
        assert len(nodes) in (2, 3), nodes
        return nodes

    @property
    def uverbs(self) -> str:
        """The node for verbs."""
        [node] = self._nodes("infiniband_verbs")
        return node

    def _nodes(self, kind: str) -> set[str]:
        owners = Path("/sys/class").glob(f"{kind}/*/ibdev")
        names = [path.parent.name for path in owners if path.read_text().strip() == self.name]
        return {f"/dev/infiniband/{name}" for name in names}


# One end of a veth pair, and two dummies.
STORAGE = SoftHca("rxe0", "storage0", "10.0.0.1")
FABRIC_A = SoftHca("rxe1", "fabric0", "10.0.1.1")
FABRIC_B = SoftHca("rxe2", "fabric1", "10.0.2.1")
HCAS = (STORAGE, FABRIC_A, FABRIC_B)

# These exist only when a test makes them, on dummies, with `netdevs`.
EXTRA_A = SoftHca("rxe3", "extra0", "10.0.3.1")
EXTRA_B = SoftHca("rxe4", "extra1", "10.0.4.1")


def build() -> None:
    """Make all of them."""
    run("ip", "link", "add", "spare", "type", "dummy")
    run("ip", "link", "add", STORAGE.netdev, "type", "veth", "peer", "name", "storage0-peer")
    set_up("storage0-peer")
    for hca in (FABRIC_A, FABRIC_B):
        run("ip", "link", "add", hca.netdev, "type", "dummy")
    for hca in HCAS:
        give_address(hca)
        set_up(hca.netdev)
    plug_all()


def give_address(hca: SoftHca) -> None:
    """Give its netdev the address. Without an address, it has no GID."""
    run("ip", "address", "add", f"{hca.address}/24", "dev", hca.netdev)


def plug_all() -> None:
    """Make the HCAs. Number 0 goes to an HCA that is removed again: rxe1 has uverbs2."""
    run("rdma", "link", "add", "rxe_spare", "type", "rxe", "netdev", "spare")
    for hca in HCAS:
        plug(hca)
    run("rdma", "link", "delete", "rxe_spare")


def plug(hca: SoftHca) -> None:
    """Make it. It gets the lowest free number."""
    run("rdma", "link", "add", hca.name, "type", "rxe", "netdev", hca.netdev)


def unplug(hca: SoftHca) -> None:
    """Remove it and its nodes."""
    run("rdma", "link", "delete", hca.name)


@contextmanager
def netdevs(*hcas: SoftHca, up: bool = True) -> Iterator[None]:
    """Netdevs for more HCAs. An HCA that is on one at the end is removed with it."""
    with ExitStack() as made:
        for hca in hcas:
            run("ip", "link", "add", hca.netdev, "type", "dummy")
            index = socket.if_nametoindex(hca.netdev)
            made.callback(_delete_link, index)
            if up:
                set_up(hca.netdev)
        yield


def _delete_link(index: int) -> None:
    run("ip", "link", "delete", socket.if_indextoname(index))  # it may have another name now


def set_up(netdev: str) -> None:
    run("ip", "link", "set", netdev, "up")


def set_down(netdev: str) -> None:
    run("ip", "link", "set", netdev, "down")


def is_up(netdev: str) -> bool:
    """Whether it is administratively up. Its carrier does not matter."""
    return bool(int(_flags(netdev).read_text(), 16) & IFF_UP)


def turn(netdev: str, *, up: bool) -> None:
    """Set it up or down. Faster than starting a program."""
    flags = int(_flags(netdev).read_text(), 16)
    _flags(netdev).write_text(hex(flags | IFF_UP if up else flags & ~IFF_UP))


def _flags(netdev: str) -> Path:
    return Path("/sys/class/net", netdev, "flags")


def rename(netdev: str, name: str) -> None:
    """Rename a netdev. It has to be down for that (until kernel 6.2)."""
    set_down(netdev)
    run("ip", "link", "set", netdev, "name", name)
    set_up(name)


def all_nodes() -> set[str]:
    """Every node of every HCA, and that of the connection manager."""
    return {str(path) for path in Path("/dev/infiniband").iterdir()}


@contextmanager
def bond(name: str, *slaves: str) -> Iterator[None]:
    """A bond over netdevs. They are up again when it is removed."""
    run("ip", "link", "add", name, "type", "bond", "mode", "active-backup", "miimon", "100")
    try:
        for slave in slaves:
            set_down(slave)  # otherwise it cannot become a slave
            run("ip", "link", "set", slave, "master", name)
        set_up(name)
        yield
    finally:
        run("ip", "link", "delete", name)
        for slave in slaves:
            set_up(slave)


def unload(*modules: str) -> None:
    """Remove kernel modules, in this order."""
    run("rmmod", *modules)


def load(*modules: str) -> None:
    """Load kernel modules, in this order. The VM's init has put them there."""
    for module in modules:
        run("insmod", f"/run/modules/{module}.ko")


@contextmanager
def exclusive_netns_mode() -> Iterator[None]:
    """Each RDMA device belongs to one net namespace, until the end or `set_netns_mode`."""
    set_netns_mode("exclusive")
    try:
        yield
    finally:
        set_netns_mode("shared")


def set_netns_mode(mode: str) -> None:
    """Set "shared" or "exclusive". The kernel refuses the latter while there is a second netns."""
    run("rdma", "system", "set", "netns", mode)


@contextmanager
def node_replaced(node: str, number: int | None) -> Iterator[None]:
    """The node is another character device for a while. With None it is missing."""
    path = Path(node)
    aside = path.with_name("aside")
    path.rename(aside)
    try:
        if number is not None:
            os.mknod(path, stat.S_IFCHR | 0o666, number)
        yield
    finally:
        aside.replace(path)


def plug_and_unplug(hca: SoftHca, times: int) -> None:
    """Add and remove it this many times, as fast as programs start. At the end it exists."""
    # Not `rdma -batch`, which knows only the HCAs that existed when it started.
    add = f"rdma link add {hca.name} type rxe netdev {hca.netdev}"
    delete = f"rdma link delete {hca.name}"
    run("sh", "-e", "-c", "\n".join([add, delete] * times + [add]))


def run(*command: str) -> str:
    """Run a tool that must succeed. Returns its output."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout
