"""Commands in the container of a running pod."""

import subprocess
import uuid

from tests.heavy.node.pods import Pod
from tests.heavy.vm.inside.container import DEADLINE


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
