"""Pods with claims, and the templates of their claims."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.heavy.dra.dra_cluster import DraCluster
from tests.heavy.dra.manifests import DRIVER
from tests.heavy.node.cluster.pods import Pod
from tests.heavy.node.process import wait_until

Object = dict[str, Any]
Health = dict[str, tuple[str, str]]

GROUP = "resource.k8s.io/v1"


def request(name: str, device_class: str = "rdma-hca", **exactly: Any) -> Object:
    """One request of a claim."""
    return {"name": name, "exactly": {"deviceClassName": device_class, **exactly}}


def only(hca: str) -> list[Object]:
    """Selectors that choose the device of one HCA."""
    ours = f"device.driver == '{DRIVER}' && device.attributes['{DRIVER}']"
    return [{"cel": {"expression": f"{ours}.rdmaDevice == '{hca}'"}}]


def parameters(**env: str) -> Object:
    """Parameters of a claim for our driver: further variables."""
    written = {"apiVersion": f"{DRIVER}/v1", "kind": "HcaConfig", "env": env}
    return {"opaque": {"driver": DRIVER, "parameters": written}}


def template(cluster: DraCluster, name: str, requests: Sequence[Object], **devices: Any) -> str:
    """A ResourceClaimTemplate. Returns its name."""
    made = {
        "apiVersion": GROUP,
        "kind": "ResourceClaimTemplate",
        "metadata": {"name": name},
        "spec": {"spec": {"devices": {"requests": [*requests], **devices}}},
    }
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(made))
    return name


class ClaimPod(Pod):
    """A pod of one container with one claim, which is named `dev`."""

    def with_template(self, name: str) -> Object:
        """Its manifest, with a claim of its own."""
        return self._with({"resourceClaimTemplateName": name})

    def with_claim(self, name: str) -> Object:
        """Its manifest, with a claim that other pods may have too."""
        return self._with({"resourceClaimName": name})

    def _with(self, source: Mapping[str, str]) -> Object:
        made = self.manifest({}, ())
        # kubelet ends its containers and releases its claim before the API server deletes it.
        made["spec"]["terminationGracePeriodSeconds"] = 1
        made["spec"]["resourceClaims"] = [{"name": "dev", **source}]
        made["spec"]["containers"][0]["resources"] = {"claims": [{"name": "dev"}]}
        return made

    def log(self) -> list[str]:
        """From the node's files, which need no kubelet. Their lines are `TIME STREAM F TEXT`."""
        files = sorted(Path("/var/log/pods").glob(f"default_{self.name}_*/main/*.log"))
        lines = [line for file in files[-1:] for line in file.read_text().splitlines()]
        return [line.split(" ", 3)[3] for line in lines if line.count(" ") >= 3]

    def hcas(self) -> set[str]:
        """The HCAs whose device nodes its container has, by the numbers of uverbs nodes."""
        sight = self.sight()
        assert sight.nodes.keys() == sight.usable
        return {_hca(name) for name in sight.nodes if name.startswith("uverbs")}

    def listed(self) -> set[str]:
        """The HCAs whose nodes the container of an example lists: it runs `ls`."""
        lines = wait_until(self.log, lambda lines: any("RDMA_DP_" in line for line in lines))
        nodes = [line.split()[-1] for line in lines if line.startswith("c")]
        return {_hca(name) for name in nodes if name.startswith("uverbs")}

    def health(self) -> Health:
        """The health and the message of each of its devices, from its status."""
        (container,) = self.status.get("containerStatuses") or [{}]
        return {
            each["resourceID"]: (each["health"], each.get("message", ""))
            for status in container.get("allocatedResourcesStatus", [])
            for each in status["resources"]
        }


def says(hca: str, state: str) -> Callable[[Health], bool]:
    """Whether the status of a pod gives the device of an HCA this health."""

    def matches(health: Health) -> bool:
        return [each for device, (each, _) in health.items() if hca in device] == [state]

    return matches


def _hca(node: str) -> str:
    """The HCA of a node, such as uverbs4, on the simulated host."""
    return f"mlx5_{node.removeprefix('uverbs')}"


def start(cluster: DraCluster, name: str, source: str) -> ClaimPod:
    """A pod with a claim of a template. It may not run yet."""
    return start_all(cluster, [name], source)[0]


def start_all(cluster: DraCluster, names: Sequence[str], source: str) -> list[ClaimPod]:
    """Several pods at once."""
    pods = [ClaimPod(cluster, name) for name in names]
    items = [pod.with_template(source) for pod in pods]
    made = {"apiVersion": "v1", "kind": "List", "items": items}
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(made))
    return pods


def events(cluster: DraCluster, pod: str) -> str:
    """The messages of the events of a pod, as its owner reads them."""
    selector = f"involvedObject.name={pod}"
    found = cluster.kubectl("get", "events", "--field-selector", selector, "-o", "json")
    return "\n".join(each["message"] for each in json.loads(found)["items"])
