"""containerd, with CDI, and one image."""

import os
import signal
import subprocess
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
    container = container.removeprefix("containerd://")
    for line in ctr("tasks", "list").splitlines():
        name, pid, *_ = line.split()
        if name == container:
            os.kill(int(pid), number)
            return
    raise AssertionError(f"containerd runs no container {container}")


def ctr(*arguments: str) -> str:
    done = subprocess.run(
        ("ctr", "--namespace", "k8s.io", *arguments), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
