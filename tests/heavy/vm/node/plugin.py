"""Our plugin as users run it: the pod of deploy/, with our image. kubelet restarts it."""

from itertools import count
from typing import Any

from tests.heavy.node.kubelet import Kubelet
from tests.heavy.node.plugin import CONFIG
from tests.heavy.node.pods import Pod
from tests.heavy.vm.node import parts

_NUMBERS = count(1)


def start(kubelet: Kubelet, source: str) -> Pod:
    """Give kubelet the pod of that directory of deploy/.

    Only what needs a control plane differs: the config is a directory of the node instead of a
    ConfigMap, and there is no affinity, because Node Feature Discovery is missing. The HCAs of the
    VM have no vendor, so the config (see node.py) selects by name.
    """
    spec = parts.pod_spec(source)
    del spec["affinity"]
    del spec["serviceAccountName"]  # kubelet refuses static pods that name one
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
