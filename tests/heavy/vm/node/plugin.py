"""Our plugin as users run it: the pod of deploy/, from our image, with kubelet's own restarts."""

from itertools import count
from typing import Any

from tests.heavy.node.kubelet import Kubelet
from tests.heavy.node.plugin import CONFIG
from tests.heavy.node.pods import Pod
from tests.heavy.vm.node import parts

_NUMBERS = count(1)


def start(kubelet: Kubelet, source: str) -> Pod:
    """Hands kubelet the pod of that directory of deploy/.

    Only what takes a control plane is another: the config is a directory of the node instead of a
    ConfigMap, and there is no Node Feature Discovery, whose labels the affinity wants. No HCA of
    the VM is of a vendor, so the config (see node.py) selects by name.
    """
    spec = parts.pod_spec(source)
    del spec["affinity"]
    for volume in spec["volumes"]:
        if volume.pop("configMap", None):
            volume["hostPath"] = {"path": str(CONFIG.parent), "type": "Directory"}
    body: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"rdma-dp-{next(_NUMBERS)}", "namespace": "kube-system"},
        "spec": spec,
    }
    return Pod.of(kubelet, body)
