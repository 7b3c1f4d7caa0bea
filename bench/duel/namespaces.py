"""A place for both plugins: namespaces with a made /sys and /dev, and an empty /var/lib/kubelet.

The Go plugin reads only /. So each plugin gets a mount namespace in which /sys and /dev are those
of the made host. The netdevs of the host exist as bridges, because both plugins ask the kernel too.
"""

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from simulator.host import SimulatedHost, build, generate

KUBELET = Path("/var/lib/kubelet")  # the Go plugin knows no other
PCI_IDS = Path("/mnt/pci.ids")

_INSIDE = "RDMA_DP_DUEL"
_DEVICES = {"null": (1, 3), "zero": (1, 5), "random": (1, 8), "urandom": (1, 9)}


def enter(arguments: Sequence[str]) -> int | None:
    """Run this command again in new namespaces. Returns its exit code; None inside of them."""
    if _INSIDE not in os.environ:
        new = ("unshare", "--mount", "--net", "--propagation", "private", "--fork", "--kill-child")
        command = (*new, sys.executable, "-m", "bench.duel", *arguments)
        environment = {**os.environ, _INSIDE: "1"}
        return subprocess.run(command, env=environment, check=False).returncode  # noqa: S603
    for directory in ("/mnt", "/var/lib"):
        _run("mount", "-t", "tmpfs", "tmpfs", directory)
    KUBELET.mkdir()
    # The Go plugin does not start without this file.
    PCI_IDS.write_text("15b3  Mellanox Technologies\n\t1021  MT2910\nC 02  Network controller\n")
    _run("ip", "link", "set", "lo", "up")
    return None


def made_host(hcas: int) -> SimulatedHost:
    """A host with so many HCAs, its device nodes, and bridges as its netdevs."""
    host = build(generate(hcas), Path(f"/mnt/{hcas}"), dev=True)
    for name, (major, minor) in _DEVICES.items():
        os.mknod(host.root / "dev" / name, stat.S_IFCHR | 0o666, os.makedev(major, minor))
    add_netdevs(host)
    return host


def add_netdevs(host: SimulatedHost) -> None:
    """Make those netdevs of the host that are missing."""
    there = {name for _, name in socket.if_nameindex()}
    missing = [name for name in _netdevs(host) if name not in there]
    _batch(f"link add {name} type bridge" for name in missing)
    _batch(f"link set {name} up" for name in missing)


def remove_netdevs(host: SimulatedHost) -> None:
    """Remove all of them."""
    _batch(f"link delete {name}" for name in _netdevs(host))


def remove_netdev(name: str) -> None:
    """Remove one, with its event."""
    _batch([f"link delete {name}"])


def on(host: SimulatedHost, command: Sequence[str]) -> Sequence[str]:
    """The command in a mount namespace where /sys and /dev are those of the host."""
    binds = " && ".join(f"mount --bind {host.root}/{name} /{name}" for name in ("sys", "dev"))
    shell = ("sh", "-c", f'{binds} && exec "$@"', "sh")
    return ("unshare", "--mount", "--propagation", "private", *shell, *command)


def _netdevs(host: SimulatedHost) -> list[str]:
    names = (link.name for link in (host.root / "sys/class/net").iterdir())
    return sorted(name for name in names if name != "lo")


def _batch(lines: Iterable[str]) -> None:
    command = ("ip", "-batch", "-")
    subprocess.run(command, input="\n".join(lines), text=True, check=True)  # noqa: S603


def _run(*command: str) -> None:
    subprocess.run(command, check=True)  # noqa: S603
