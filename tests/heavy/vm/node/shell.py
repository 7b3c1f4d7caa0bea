"""Commands in the container of a running pod."""

import subprocess
import uuid
from typing import Protocol

from tests.heavy.node.pods import NodeView
from tests.heavy.vm.inside.container import DEADLINE


class Pod(Protocol):
    """A pod of one container: kubelet's own, or one of a cluster."""

    def container(self) -> str:
        """Wait until its container runs. Returns the container's id."""
        ...

    def sight(self) -> NodeView:
        """What its last container saw."""
        ...


class Shell:
    """Run them in its namespaces and its cgroup, as `kubectl exec` does."""

    def __init__(self, pod: Pod) -> None:
        self._container = pod.container().removeprefix("containerd://")

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run to the end."""
        return subprocess.run(
            self._exec(command), capture_output=True, text=True, check=False, timeout=2 * DEADLINE
        )

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start, with the output in a pipe."""
        return subprocess.Popen(
            self._exec(command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def _exec(self, command: tuple[str, ...]) -> tuple[str, ...]:
        ctr = ("ctr", "--namespace", "k8s.io", "tasks", "exec", "--exec-id", uuid.uuid4().hex)
        return (*ctr, self._container, *command)
