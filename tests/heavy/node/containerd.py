"""containerd, with CDI, and one image."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from tests.heavy.node import image
from tests.heavy.node.process import Process, wait_until

SOCKET = Path("/run/containerd/containerd.sock")

_CONFIG = """
version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{sandbox}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  enable_cdi = true
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      BinaryName = "{runc}"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{network_plugins}"
"""


class Containerd:
    """The container runtime of a node, with a runc and a directory of CNI plugins."""

    def __init__(self, runc: str = "runc", network_plugins: str = "/opt/cni/bin") -> None:
        config = Path("/etc/containerd/config.toml")
        config.write_text(
            _CONFIG.format(sandbox=image.NAME, runc=runc, network_plugins=network_plugins)
        )
        self.process = Process("containerd", ("containerd", "--config", str(config)))
        wait_until(lambda: self.process.runs and SOCKET.exists() and self._ready())
        archive = Path("/run/busybox.tar")
        image.write(archive)
        ctr("images", "import", str(archive))

    def _ready(self) -> bool:
        done = subprocess.run(("ctr", "version"), capture_output=True, check=False)
        return done.returncode == 0

    def end(self) -> None:
        self.process.end()


def kill_container(container: str, number: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal to the first process of a container. Its id is that of the pod's status."""
    pid = pid_of(container)
    assert pid is not None, f"containerd runs no container {container}"
    os.kill(pid, number)


def pid_of(container: str) -> int | None:
    """The first process of a container, by the id in the pod's status. None: it has ended."""
    return running().get(container.removeprefix("containerd://"))


def running() -> dict[str, int]:
    """The first process of each container that runs, and of each sandbox."""
    lines = [line.split() for line in ctr("tasks", "list").splitlines()]
    return {name: int(pid) for name, pid, status in lines if status == "RUNNING"}


def processes() -> Iterator[tuple[int, int]]:
    """Each process with its parent (proc(5), /proc/PID/stat)."""
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended
            yield int(file.parent.name), int(file.read_text().rpartition(")")[2].split()[1])


def ctr(*arguments: str) -> str:
    done = subprocess.run(
        ("ctr", "--namespace", "k8s.io", *arguments), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
