"""The cluster with our DRA driver, and what its users see of it."""

import json
import os
import shutil
import signal
import time
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.heavy.dra.manifests import DRIVER
from tests.heavy.node.cluster import api
from tests.heavy.node.cluster.cluster import DEPLOY, Cluster
from tests.heavy.node.containerd import pid_of, processes
from tests.heavy.node.process import logs, wait_until

SLICES = "/apis/resource.k8s.io/v1/resourceslices"
CLAIMS = "/apis/resource.k8s.io/v1/resourceclaims"
CLAIM_FILES = Path("/var/lib/kubelet/plugins") / DRIVER / "rdma-dp-claims"
SPECS = Path("/var/run/cdi")

# Those that claims and Deployments need, besides those of every cluster.
CONTROLLERS = (
    *("resourceclaim-controller", "device-taint-eviction-controller"),
    *("deployment-controller", "replicaset-controller"),
)
_KUBELET: dict[str, Any] = {
    # A driver that was killed is started again at once.
    "crashLoopBackOff": {"maxContainerRestartPeriod": "1s"},
}
_MADE = ("pods", "resourceclaims", "resourceclaimtemplates")
_DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"


class DraCluster(Cluster):
    """One node, with our driver as a DaemonSet."""

    def __init__(self, **kubelet: Any) -> None:
        super().__init__(**_KUBELET, **kubelet)

    def install(self, config: Mapping[str, Any], devices: int) -> None:
        """Install our driver and its classes, as deploy/ ships them, with a config that publishes
        this many devices.
        """
        self.kubectl("apply", "-k", DEPLOY / "overlays" / "dra")
        self.offer(config, devices, "deploy/overlays/dra applied")

    def offer(self, config: Mapping[str, Any], devices: int, after: str) -> None:
        """Replace the config, and wait until this many devices are published."""
        self.configure(json.dumps(config))
        self.wait(after, self.devices, lambda found: len(found) == devices)

    # --- what is published

    def slices(self, driver: str = DRIVER) -> list[api.Object]:
        """The slices of a driver."""
        items = (api.get(SLICES) or {}).get("items") or []
        return [each for each in items if each["spec"]["driver"] == driver]

    def devices(self) -> dict[str, api.Object]:
        """Our devices by name."""
        return {
            each["name"]: each for one in self.slices() for each in one["spec"].get("devices") or []
        }

    def slots(self) -> set[str]:
        """The numbers of slots that our devices have."""
        devices = self.devices().values()
        return {each["capacity"]["slots"]["value"] for each in devices if "capacity" in each}

    def taints(self) -> dict[str, str]:
        """The tainted devices, each with the effect."""
        found = self.devices()
        return {
            name: device["taints"][0]["effect"]
            for name, device in found.items()
            if device.get("taints")
        }

    # --- claims

    def claims(self) -> list[api.Object]:
        """The claims of the namespace `default`."""
        return (api.get(CLAIMS) or {}).get("items") or []

    def prepared(self) -> set[str]:
        """The driver's files of claims that it has prepared, and of those that it must release."""
        return {file.name for file in CLAIM_FILES.glob("*") if not file.name.startswith(".")}

    def specs(self) -> set[str]:
        """The names of the CDI specs of claims."""
        return {file.name for file in SPECS.glob("rdma-dp-claim-*")}

    # --- the driver

    def drivers(self) -> list[api.Object]:
        """The pods of our driver, oldest first."""
        return [pod for pod in self.daemon_pods() if pod["metadata"]["name"].startswith("rdma-dp")]

    def place(self, labels: Mapping[str, str | None]) -> None:
        """Change the labels of the nodes on which our driver runs. None removes one."""
        patch = json.dumps({"spec": {"template": {"spec": {"nodeSelector": labels}}}})
        self.kubectl("-n", "kube-system", "patch", "daemonset", "rdma-dp", "--patch", patch)

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Kill the process of the newest driver pod as soon as it runs. kubelet starts it again."""
        wait_until(lambda: self._killed(number))

    def _killed(self, number: signal.Signals) -> bool:
        """False if the API server still has the container of before, which has just ended."""
        pid = self._pid()
        if pid is None:
            return False
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return False
        return True

    def pid(self) -> int:
        """The process of the newest driver pod, when it runs."""
        return wait_until(self._pid) or 0

    def _pid(self) -> int | None:
        """The image's first process is tini, and its child is the driver."""
        (container,) = self.drivers()[-1]["status"]["containerStatuses"]
        first = pid_of(container["containerID"])
        return next((pid for pid, parent in processes() if parent == first), None)

    def settled(self) -> None:
        """Wait until the newest driver pod is ready: it has read its claims, and is registered."""
        wait_until(self._is_settled)

    def _is_settled(self) -> bool:
        (container,) = self.drivers()[-1]["status"]["containerStatuses"]
        return bool(container["ready"]) and self._pid() is not None

    def restarts(self) -> int:
        """How often the container of the newest driver pod was started again."""
        (container,) = self.drivers()[-1]["status"]["containerStatuses"]
        return int(container["restartCount"])

    def registered_at(self, since: float) -> float | None:
        """When kubelet has first registered our driver since then, from its log.

        (pkg/kubelet/cm/dra/plugin/dra_plugin_manager.go.) None: not yet.
        """
        return min((each for each in self._registrations() if each >= since), default=None)

    def _registrations(self) -> Iterator[float]:
        assert self.kubelet.process
        for line in self.kubelet.process.said.splitlines():
            if '"Registered DRA plugin"' in line and DRIVER in line:
                # klog: "I1127 12:59:01.123456 ..."
                moment = f"{datetime.now().year} {line[1:21]}"
                yield datetime.strptime(moment, "%Y %m%d %H:%M:%S.%f").timestamp()

    def answers(self, call: str) -> int:
        """How many answers of our driver kubelet has to a call, from its log.

        (pkg/kubelet/cm/dra/plugin/dra_plugin.go.)
        """
        assert self.kubelet.process
        done = (f'"Done calling {call} rpc"', f'driverName="{DRIVER}"', "err=null")
        lines = self.kubelet.process.said.splitlines()
        return len([line for line in lines if all(part in line for part in done)])

    # --- between tests

    def end(self) -> None:
        """As before. The logs of all containers are kept with those of the programs."""
        shutil.copytree("/var/log/pods", logs() / "pods", ignore_dangling_symlinks=True)
        super().end()

    def tidy(self) -> None:
        """Remove what the test made. No claim is left: in the API, on the node, in CDI specs."""
        begun = time.monotonic()
        if (api.get(_DEPLOYMENTS) or {})["items"]:
            # The garbage collector would give their pods 30 seconds to end.
            self.kubectl("delete", "deployments,replicasets", "--all", "--cascade=orphan")
        self.kubectl("delete", ",".join(_MADE), "--all", "--now")
        self.released()
        self.figures.append(("tidied", time.monotonic() - begun))

    def released(self, but: Collection[str] = ()) -> None:
        """Wait until no claim is left, but those with these UIDs.

        In the API, in the driver's files on the node, and in CDI specs.
        """
        wait_until(self._uids, {*but}.issuperset)
        wait_until(self.prepared, {f"{uid}.json" for uid in but}.issuperset)
        wait_until(self.specs, {f"rdma-dp-claim-{uid}.json" for uid in but}.issuperset)

    def _uids(self) -> set[str]:
        return {claim["metadata"]["uid"] for claim in self.claims()}
