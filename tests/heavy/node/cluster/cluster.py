"""The cluster, and what users do with one: apply, inspect, delete."""

import json
import os
import shutil
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from tests.heavy.image.builder import SHIPPED
from tests.heavy.node import private
from tests.heavy.node.cluster import api
from tests.heavy.node.cluster.control_plane import KUBECONFIG
from tests.heavy.node.cluster.pods import Pod
from tests.heavy.node.containerd import ctr
from tests.heavy.node.kubelet import Kubelet
from tests.heavy.node.process import DEADLINE, wait_until
from tests.paths import REPO

DEPLOY = REPO / "deploy"
NAME = "rdma/rdma_shared_device_a"
ARCHIVE = "RDMA_DP_TEST_IMAGE_ARCHIVE"

# Node Feature Discovery's label for a NIC of Mellanox/NVIDIA. It does not run here.
LABEL = "feature.node.kubernetes.io/pci-15b3.present=true"

# The directories of the node in which the plugin writes.
WRITTEN = (Path("/var/run/cdi"), Path("/var/run/k8s.cni.cncf.io"))
OURS = "app.kubernetes.io/name=rdma-dp"

_NODE = f"/api/v1/nodes/{private.NODE}"
_TIMEOUT = max(120.0, DEADLINE)
_KUBELET: dict[str, Any] = {
    "registerNode": True,
    "address": private.ADDRESS,  # the address at which the API server asks it for logs
    "nodeStatusUpdateFrequency": "1s",
}

T = TypeVar("T")
Step = tuple[str, object]


class Cluster:
    """One node of a control plane that runs. Its containerd has our image. Nothing of rdma-dp runs
    yet.
    """

    def __init__(self, **kubelet: Any) -> None:
        self.figures: list[Step] = []
        self.kubelet = Kubelet(KUBECONFIG, **{**_KUBELET, **kubelet})
        self.kubelet.forget()
        self.kubelet.start()
        wait_until(lambda: api.get("/api/v1/namespaces/default/serviceaccounts/default"))
        wait_until(self._is_ready)
        self.kubectl("label", "node", private.NODE, LABEL)

    def _is_ready(self) -> bool:
        conditions = (api.get(_NODE) or {}).get("status", {}).get("conditions", [])
        return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)

    def end(self) -> None:
        self.kubelet.stop()

    # --- what users type

    def run(self, *command: str | Path, stdin: str = "") -> str:
        """Run a command as a user with the repository and a kubeconfig. Returns its output."""
        done = subprocess.run(
            list(map(str, command)),
            cwd=REPO,
            env={**os.environ, "KUBECONFIG": str(KUBECONFIG)},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
        )
        assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}"
        return done.stdout

    def kubectl(self, *arguments: str | Path, stdin: str = "") -> str:
        return self.run("kubectl", *arguments, stdin=stdin)

    def configure(self, config: str) -> None:
        """Replace the config in the ConfigMap of deploy/base."""
        patch = json.dumps({"data": {"config.json": config}})
        self.kubectl("-n", "kube-system", "patch", "configmap", "rdma-dp", "--patch", patch)

    def make(self, *objects: api.Object) -> None:
        """Apply objects."""
        made = {"apiVersion": "v1", "kind": "List", "items": objects}
        self.kubectl("apply", "-f", "-", stdin=json.dumps(made))

    def namespace(self, name: str) -> None:
        self.make({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    def digest(self) -> str:
        """The digest of our image, as `sha256:...`."""
        (line,) = ctr("images", "list", f"name=={SHIPPED}").splitlines()[1:]
        return next(word for word in line.split() if word.startswith("sha256:"))

    def retag(self, name: str) -> None:
        """Our image under another name, as if it had been pulled."""
        full = name if "." in name.partition("/")[0] else f"docker.io/library/{name}"
        ctr("images", "tag", "--force", SHIPPED, full)

    # --- what exists

    def allocatable(self, resource: str = NAME) -> str | None:
        """In the node's status. None if it is not there."""
        node = api.get(_NODE) or {}
        found: str | None = node.get("status", {}).get("allocatable", {}).get(resource)
        return found

    def counts(self, slots: int, after: str) -> None:
        """Wait until the node's status has this many slots, and note how long it took."""
        self.wait(f"{after}: {slots}", self.allocatable, lambda found: found == str(slots))

    @contextmanager
    def counted(self) -> Iterator[list[int]]:
        """The counts of kubelet while the block runs. Notes for how long the count was 0."""
        counts: list[int] = []
        zero = 0.0
        stop = threading.Event()

        def ask() -> None:
            nonlocal zero
            before = time.monotonic()
            while not stop.wait(0.05):
                counts.append(self.kubelet.count(NAME))
                now = time.monotonic()
                zero += now - before if counts[-1] == 0 else 0
                before = now

        thread = threading.Thread(target=ask)
        thread.start()
        try:
            yield counts
        finally:
            stop.set()
            thread.join()
        self.figures.append(("kubelet counted 0 meanwhile", zero))

    def wait(self, step: str, ask: Callable[[], T], accept: Callable[[T], object] = bool) -> T:
        begun = time.monotonic()
        answer = wait_until(ask, accept, pause=0.1)
        self.figures.append((step, time.monotonic() - begun))
        return answer

    @property
    def numbers(self) -> dict[str, tuple[int, int]]:
        """The device nodes of all its HCAs, by name: major and minor number."""
        nodes = Path("/dev/infiniband").iterdir()
        found = {node.name: node.stat().st_rdev for node in nodes if node.is_char_device()}
        return {name: (os.major(device), os.minor(device)) for name, device in found.items()}

    @property
    def nodes(self) -> set[str]:
        return {*self.numbers}

    # --- pods

    def pod(self, name: str, slots: int, *, others: tuple[str, ...] = ()) -> Pod:
        """A pod of the test that holds slots and inspects its container."""
        pod = Pod(self, name)
        self.make(pod.manifest({NAME: slots}, others))
        return pod

    def pods_of_one_slot(self, count: int) -> list[Pod]:
        """This many at once. All of them run."""
        pods = [Pod(self, f"pod-{number}") for number in range(count)]
        self.make(*(pod.manifest({NAME: 1}, ()) for pod in pods))
        self.wait(f"{count} pods run", self._states, lambda found: found == {"Running": count})
        return pods

    def _states(self) -> Mapping[str, int]:
        """How many pods run, and how many are in each other state, with the reason."""
        items = (api.get("/api/v1/namespaces/default/pods") or {})["items"]
        return Counter(_state(pod["status"]) for pod in items)

    def daemon_pods(self, namespace: str = "kube-system") -> list[api.Object]:
        """Those of any DaemonSet in a namespace, oldest first."""
        items = (api.get(f"/api/v1/namespaces/{namespace}/pods") or {})["items"]
        return sorted(items, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))

    def says(self, text: str, namespace: str = "kube-system") -> str:
        """Wait until the newest pod's log has a text. Returns the log."""
        return wait_until(lambda: self._log(namespace), lambda log: text in log, pause=0.3)

    def _log(self, namespace: str) -> str:
        pods = self.daemon_pods(namespace)
        if not pods or not pods[-1]["status"].get("containerStatuses"):
            return ""
        name = pods[-1]["metadata"]["name"]
        command = ("kubectl", "-n", namespace, "logs", "--all-containers", name)
        environment = {**os.environ, "KUBECONFIG": str(KUBECONFIG)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        return done.stdout  # empty while the container is made

    # --- between tests

    def unhurt(self) -> None:
        """Fail if there was a fault that the test did not check for."""
        assert self.kubelet.process
        assert self.kubelet.process.runs, "kubelet has ended by itself"

    def tidy(self) -> None:
        """Remove everything that tests make, and wait until the node has no slots."""
        everywhere = ("--all", "--all-namespaces")
        self.kubectl("delete", "daemonsets", *everywhere, "--cascade=foreground")
        self.kubectl("delete", "pods", *everywhere, "--now")
        for label in (OURS, "made=by-a-test"):
            self.kubectl("delete", "configmaps", "--all-namespaces", "--selector", label)
        for directory in WRITTEN:
            shutil.rmtree(directory, ignore_errors=True)
        wait_until(self.allocatable, lambda found: found in (None, "0"))


def _state(status: api.Object) -> str:
    """The phase of a pod, and why it is not "Running" yet or not any more."""
    if status["phase"] == "Running":
        return "Running"
    waiting = [
        each["state"]["waiting"]
        for each in status.get("containerStatuses", [])
        if "waiting" in each["state"]
    ]
    unmet = [each for each in status.get("conditions", []) if each["status"] == "False"]
    words = [
        each[key]
        for each in (status, *waiting, *unmet[:1])
        for key in ("reason", "message")
        if key in each
    ]
    return ": ".join((status["phase"], *words))
