"""A container as a runtime makes one of an Allocate answer: a mount namespace with its own /dev."""

import os
import shlex
import stat
import subprocess
from collections.abc import Iterable
from pathlib import Path

# What runtimes put into every container (OCI runtime specification, "Default Devices").
DEFAULT_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
DEADLINE = 60


class Container:
    """Runs commands that see exactly `devices` and the default ones in /dev."""

    def __init__(self, devices: Iterable[str]) -> None:
        nodes = [_make_node(Path(device)) for device in (*DEFAULT_DEVICES, *devices)]
        self._set_up = "\n".join(["mount -t tmpfs tmpfs /dev", *nodes, 'exec "$@"'])

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run to the end."""
        return subprocess.run(
            self._wrapped(command),
            capture_output=True,
            text=True,
            check=False,
            timeout=DEADLINE,
        )

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start, with the output in a pipe."""
        return subprocess.Popen(
            self._wrapped(command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def _wrapped(self, command: tuple[str, ...]) -> list[str]:
        return ["unshare", "--mount", "sh", "-e", "-c", self._set_up, "sh", *command]


def _make_node(path: Path) -> str:
    status = path.stat()
    assert stat.S_ISCHR(status.st_mode), path
    number = f"{os.major(status.st_rdev)} {os.minor(status.st_rdev)}"
    directory, node = shlex.quote(str(path.parent)), shlex.quote(str(path))
    return f"mkdir -p {directory}; mknod -m 666 {node} c {number}"
