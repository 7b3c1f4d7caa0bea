"""A real kubelet without a control plane: it runs the pods of a directory."""

import json
import shutil
import signal
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

import grpc
import yaml

from rdma_dp.kubelet.api import podresources_pb2 as pb
from tests.heavy.node import private
from tests.heavy.node.containerd import SOCKET
from tests.heavy.node.process import DEADLINE, Process, wait_until

ROOT = Path("/var/lib/kubelet")
DEVICE_PLUGINS, PLUGINS_REGISTRY = ROOT / "device-plugins", ROOT / "plugins_registry"
MANIFESTS = Path("/etc/kubernetes/manifests")

_ADDRESS = "127.0.0.1:10255"
_SERVICE = "/v1.PodResourcesLister"
_CHANNEL = [
    ("grpc.use_local_subchannel_pool", 1),
    # After a restart of kubelet, connect to it again at once.
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 50),
]
_NEVER = ("memory.available", "nodefs.available", "nodefs.inodesFree", "imagefs.available")
_CONFIG: dict[str, Any] = {
    "apiVersion": "kubelet.config.k8s.io/v1beta1",
    "kind": "KubeletConfiguration",
    "staticPodPath": str(MANIFESTS),
    "registerNode": False,
    "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
    "authorization": {"mode": "AlwaysAllow"},
    "address": "127.0.0.1",
    "healthzBindAddress": "127.0.0.1",
    "readOnlyPort": 10255,
    "containerRuntimeEndpoint": f"unix://{SOCKET}",
    "resolvConf": "",
    "volumePluginDir": str(ROOT / "volumeplugins"),
    # This kubelet does not own the machine.
    "failCgroupV1": False,
    "cgroupDriver": "cgroupfs",
    "enforceNodeAllocatable": [],
    "evictionHard": dict.fromkeys(_NEVER, "0%"),
    "failSwapOn": False,
    "localStorageCapacityIsolation": False,
    "makeIPTablesUtilChains": False,
    # It checks its pods often.
    "fileCheckFrequency": "1s",
    "syncFrequency": "1s",
}


class Kubelet:
    """kubelet, running or not. `options` go into its configuration.

    With a kubeconfig it belongs to a cluster.
    """

    def __init__(self, kubeconfig: Path | None = None, **options: Any) -> None:
        MANIFESTS.mkdir(parents=True, exist_ok=True)
        self._config = Path("/etc/kubernetes/kubelet.yaml")
        config = {**_CONFIG, "cgroupRoot": f"/{private.cgroup()}", **options}
        self._config.write_text(yaml.safe_dump(config))
        self._cluster = ("--kubeconfig", str(kubeconfig)) if kubeconfig else ()
        self.process: Process | None = None
        self._channel: grpc.Channel | None = None

    def start(self) -> None:
        """Start it. Calls succeed as soon as it can answer them."""
        name = ("--hostname-override", private.NODE, "--node-ip", private.ADDRESS)
        command = ("kubelet", "--config", str(self._config), *self._cluster, *name, "-v", "4")
        self.process = Process("kubelet", command)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self._channel:
            self._channel.close()
            self._channel = None
        if self.process:
            self.process.end(number)
            self.process = None

    def restart(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.stop(number)
        self.start()

    def forget(self) -> None:
        """Make the node new: no plugin, no checkpoint."""
        assert self.process is None
        for directory in (DEVICE_PLUGINS, PLUGINS_REGISTRY):
            shutil.rmtree(directory, ignore_errors=True)

    # --- its log, of all resources (pkg/kubelet/cm/devicemanager/manager.go)

    @property
    def drops(self) -> int:
        """How often it has counted the devices of a resource as lost since it started."""
        assert self.process is not None
        return self.process.said.count('"Mark all resources Unhealthy for resource"')

    @property
    def registrations(self) -> int:
        """How often a plugin has registered since it started."""
        assert self.process is not None
        return self.process.said.count('"Device plugin connected"')

    # --- its answers

    def devices(self, resource: str) -> dict[str, frozenset[int]]:
        """The healthy devices of a resource, each with its NUMA nodes."""
        answer = self._ask(
            "GetAllocatableResources",
            pb.AllocatableResourcesRequest(),
            pb.AllocatableResourcesResponse,
        )
        return {
            device: frozenset(node.ID for node in each.topology.nodes)
            for each in answer.devices
            if each.resource_name == resource
            for device in each.device_ids
        }

    def count(self, resource: str) -> int:
        """The number of healthy devices of a resource. One that is listed twice counts twice."""
        answer = self._ask(
            "GetAllocatableResources",
            pb.AllocatableResourcesRequest(),
            pb.AllocatableResourcesResponse,
        )
        found = Counter[str]()
        for each in answer.devices:
            found[each.resource_name] += len(each.device_ids)
        return found[resource]

    def allocation(self, pod: str) -> dict[str, frozenset[str]]:
        """The devices of a pod, by resource, from the pod-resources API."""
        answer = self._ask("List", pb.ListPodResourcesRequest(), pb.ListPodResourcesResponse)
        found: dict[str, frozenset[str]] = {}
        for each in answer.pod_resources:
            if each.name == f"{pod}-{private.NODE}":
                for container in each.containers:
                    for device in container.devices:
                        ids = found.get(device.resource_name, frozenset())
                        found[device.resource_name] = ids | {*device.device_ids}
        return found

    def _ask(self, method: str, request: Any, answer: Any) -> Any:
        assert self.process, "kubelet does not run"
        if self._channel is None:
            socket = ROOT / "pod-resources" / "kubelet.sock"
            self._channel = grpc.insecure_channel(f"unix:{socket}", options=_CHANNEL)
        call = self._channel.unary_unary(
            f"{_SERVICE}/{method}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=answer.FromString,
        )
        return call(request, timeout=DEADLINE, wait_for_ready=True)

    def pods(self) -> dict[str, Any]:
        """The pods' objects by name. Empty while kubelet does not answer."""
        try:
            with urllib.request.urlopen(f"http://{_ADDRESS}/pods", timeout=DEADLINE) as answer:
                items = json.load(answer)["items"] or []
        except OSError:
            return {}
        return {item["metadata"]["name"].removesuffix(f"-{private.NODE}"): item for item in items}

    def without_pods(self) -> None:
        """Remove all pods, and wait until they are gone."""
        for manifest in MANIFESTS.iterdir():
            manifest.unlink()
        if self.process:
            wait_until(self._pods_for_sure, lambda pods: pods == [])

    def _pods_for_sure(self) -> list[str] | None:
        try:
            with urllib.request.urlopen(f"http://{_ADDRESS}/pods", timeout=DEADLINE) as answer:
                items = json.load(answer)["items"] or []
        except OSError:
            return None
        return [item["metadata"]["name"] for item in items]
