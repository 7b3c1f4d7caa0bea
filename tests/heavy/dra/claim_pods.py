"""Pods with claims, and the templates of their claims."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.heavy.dra.dra_cluster import DraCluster
from tests.heavy.dra.manifests import DRIVER
from tests.heavy.node.cluster import api
from tests.heavy.node.cluster.cluster import NAME
from tests.heavy.node.cluster.pods import Pod
from tests.heavy.node.pods import NodeView
from tests.heavy.node.process import wait_until

Object = dict[str, Any]
Health = dict[str, tuple[str, str]]

Given = tuple[set[str], dict[str, str]]
"""The device nodes that a container has, and its variables that are about HCAs."""

PODS = "/api/v1/namespaces/default/pods"
GROUP = "resource.k8s.io/v1"


def request(name: str, device_class: str = "rdma-hca", **exactly: Any) -> Object:
    """One request of a claim."""
    return {"name": name, "exactly": {"deviceClassName": device_class, **exactly}}


def one_of(name: str, *choices: Object) -> Object:
    """A request for the first of several requests that fits: a prioritized list."""
    return {"name": name, "firstAvailable": [{"name": e["name"], **e["exactly"]} for e in choices]}


def ours(condition: str) -> str:
    """A CEL expression for our devices whose attributes meet a condition, as `numaNode == 1`."""
    return f"device.driver == '{DRIVER}' && device.attributes['{DRIVER}'].{condition}"


def where(condition: str) -> list[Object]:
    """Selectors that choose the devices of `ours`."""
    return [{"cel": {"expression": ours(condition)}}]


def only(hca: str) -> list[Object]:
    """Selectors that choose the device of one HCA."""
    return where(f"rdmaDevice == '{hca}'")


def parameters(**env: str) -> Object:
    """Parameters of a claim for our driver: further variables."""
    return opaque(env=env)


def opaque(**written: Any) -> Object:
    """Parameters with these fields. They may be wrong."""
    head = {"apiVersion": f"{DRIVER}/v1", "kind": "HcaConfig"}
    return {"opaque": {"driver": DRIVER, "parameters": {**head, **written}}}


def named_claim(name: str, asked: Object) -> Object:
    """A claim with one request, which pods may share."""
    return {
        "apiVersion": GROUP,
        "kind": "ResourceClaim",
        "metadata": {"name": name},
        "spec": {"devices": {"requests": [asked]}},
    }


def template(cluster: DraCluster, name: str, requests: Sequence[Object], **devices: Any) -> str:
    """A ResourceClaimTemplate. Returns its name."""
    made = {
        "apiVersion": GROUP,
        "kind": "ResourceClaimTemplate",
        "metadata": {"name": name},
        "spec": {"spec": {"devices": {"requests": [*requests], **devices}}},
    }
    cluster.make(made)
    return name


class ClaimPod(Pod):
    """A pod of one container with one claim, which is named `dev`."""

    def with_template(self, name: str) -> Object:
        """Its manifest, with a claim of its own."""
        return self._with({"resourceClaimTemplateName": name})

    def with_limit(self, count: int) -> Object:
        """Its manifest, with the old limit and without a claim."""
        made = self.manifest({NAME: count}, ())
        made["spec"]["terminationGracePeriodSeconds"] = 1
        return made

    def with_containers(self, name: str, requests: Mapping[str, str | None]) -> Object:
        """Its manifest, with a claim of its own, and containers by name.

        Each has one request of the claim, or all of them (None).
        """
        made = self.with_template(name)
        (container,) = made["spec"]["containers"]
        claims = {
            each: {"name": "dev", "request": one} if one else {"name": "dev"}
            for each, one in requests.items()
        }
        made["spec"]["containers"] = [
            {**container, "name": each, "resources": {"claims": [one]}}
            for each, one in claims.items()
        ]
        return made

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

    def log(self, container: str = "main") -> list[str]:
        """From the node's files, which need no kubelet. Their lines are `TIME STREAM F TEXT`."""
        lines = [
            line for file in self.logs(container)[-1:] for line in file.read_text().splitlines()
        ]
        return [line.split(" ", 3)[3] for line in lines if line.count(" ") >= 3]

    def logs(self, container: str = "main") -> list[Path]:
        """The log of each start of a container of it, oldest first."""
        return sorted(
            Path(f"/var/log/pods/default_{self.name}_{self.uid}", container).glob("*.log")
        )

    @cached_property
    def uid(self) -> str:
        """kubelet may still have the logs of an earlier pod of this name."""
        return str((api.get(f"{PODS}/{self.name}") or {})["metadata"]["uid"])

    def hcas(self) -> set[str]:
        """The HCAs whose device nodes its container has, by the numbers of uverbs nodes."""
        sight = self.sight()
        assert sight.nodes.keys() == sight.usable
        return {_hca(name) for name in sight.nodes if name.startswith("uverbs")}

    def given(self, container: str = "main") -> Given:
        """What a container of it has of HCAs."""
        sight = NodeView.read(wait_until(lambda: self.log(container), lambda said: "done" in said))
        assert sight.nodes.keys() == sight.usable
        variables = {
            name: value
            for name, value in sight.environment.items()
            if name.startswith(("RDMA_DP_", "NCCL_", "UCX_"))
        }
        return {*sight.nodes}, variables

    def delete_soon(self) -> None:
        """Delete it, without waiting for its end."""
        api.delete(f"{PODS}/{self.name}")

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


def of_hcas(cluster: DraCluster, *hcas: str, **more: str) -> Given:
    """What a container gets for one request with the name "hca", and further variables."""
    return nodes_of(cluster, *hcas), {
        "RDMA_DP_HCA_HCAS": ",".join(hcas),
        "NCCL_IB_HCA": f"={','.join(hcas)}",
        **more,
    }


def of_all(cluster: DraCluster) -> Given:
    """What the only container of a pod with the old limit gets."""
    hcas = ",".join(f"mlx5_{number}" for number in range(12))
    variables = ("RDMA_DP_RDMA_SHARED_DEVICE_A_HCAS", "RDMA_DP_CONTAINER_0_REQUEST_0_HCAS")
    return cluster.nodes, dict.fromkeys(variables, hcas)


def nodes_of(cluster: DraCluster, *hcas: str) -> set[str]:
    """The device nodes of HCAs."""
    numbers = [hca.removeprefix("mlx5_") for hca in hcas]
    kinds = ("uverbs", "umad", "issm")
    return {"rdma_cm", *(f"{kind}{each}" for kind in kinds for each in numbers)} & cluster.nodes


def start(cluster: DraCluster, name: str, source: str) -> ClaimPod:
    """A pod with a claim of a template. It may not run yet."""
    return start_all(cluster, [name], source)[0]


def start_all(cluster: DraCluster, names: Sequence[str], source: str) -> list[ClaimPod]:
    """Several pods at once."""
    pods = [ClaimPod(cluster, name) for name in names]
    items = [pod.with_template(source) for pod in pods]
    cluster.make(*items)
    return pods


def events(cluster: DraCluster, pod: str) -> str:
    """The messages of the events of a pod, as its owner reads them."""
    selector = f"involvedObject.name={pod}"
    found = cluster.kubectl("get", "events", "--field-selector", selector, "-o", "json")
    return "\n".join(each["message"] for each in json.loads(found)["items"])
