"""Containers of a real runtime: podman, with device nodes or with CDI names."""

import os
import subprocess
from collections.abc import Collection, Iterable
from pathlib import Path

DEADLINE = 120  # seconds; then podman stops a container

# On a tmpfs: an overlay's upper directory cannot be on another overlay, and the VM's root is one.
STATE = "/dev/shm/podman"

# No image and no network of its own. MKNOD is allowed, as in Kubernetes; podman's default forbids
# it.
PODMAN = (
    *("podman", f"--root={STATE}/root", f"--runroot={STATE}/run", f"--tmpdir={STATE}/tmp"),
    *("--storage-driver=vfs", "--events-backend=none", "--cgroup-manager=cgroupfs"),
    *("run", "--rm", "--runtime=crun", "--log-driver=none", f"--timeout={DEADLINE}"),
    *("--no-hosts", "--systemd=false", "--cap-add=MKNOD"),
)
ROOT = ("--rootfs", "/:O")  # the VM's files; changes by a container are discarded

# Arguments: path, major and minor number of each node.
OPEN_EACH = """
while [ $# -gt 0 ]; do
    mknod /dev/made c "$2" "$3"
    if (: < /dev/made) 2> /dev/null; then echo "$1"; fi
    rm /dev/made
    shift 3
done
"""


class Container:
    """Runs commands, each in a new container that has exactly `devices`, as after a restart.

    `devices` are those of an Allocate answer: paths of nodes or CDI names. podman makes the nodes
    and the rules of the cgroup from them. `flags` are further options of podman. `network` is
    podman's option: "host", "none".
    """

    def __init__(
        self, devices: Iterable[str], flags: Iterable[str] = (), network: str = "host"
    ) -> None:
        nodes = (f"--device={device}" for device in devices)
        self._podman = (*PODMAN, f"--network={network}", *flags, *nodes, *ROOT)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run to the end."""
        return subprocess.run(
            (*self._podman, *command),
            capture_output=True,
            text=True,
            check=False,
            timeout=2 * DEADLINE,
        )

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start, with the output in a pipe."""
        return subprocess.Popen(
            (*self._podman, *command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def nodes(self) -> dict[str, int]:
        """The nodes in its /dev/infiniband and their device numbers."""
        shown = self._output("sh", "-c", "stat --format '%n %t %T' /dev/infiniband/*")
        rows = (line.split() for line in shown.splitlines())
        return {path: os.makedev(int(major, 16), int(minor, 16)) for path, major, minor in rows}

    def opens(self, nodes: Collection[str]) -> set[str]:
        """The nodes of the host that it can open after making a node for each."""
        arguments: list[str] = []
        for path in nodes:
            number = device_number(path)
            arguments += (path, str(os.major(number)), str(os.minor(number)))
        return set(self._output("sh", "-e", "-c", OPEN_EACH, "sh", *arguments).splitlines())

    def _output(self, *command: str) -> str:
        done = self.run(*command)
        assert done.returncode == 0, done.stderr
        return done.stdout


def device_number(path: str) -> int:
    """The number of the host's character device."""
    return Path(path).stat().st_rdev
