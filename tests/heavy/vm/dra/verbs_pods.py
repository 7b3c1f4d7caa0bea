"""Pods with the programs that use HCAs, with a claim or without one."""

from collections.abc import Iterable, Mapping
from typing import Any

from tests.heavy.dra.claim_pods import PODS, ClaimPod, only, request, template
from tests.heavy.dra.dra_cluster import DraCluster
from tests.heavy.node.cluster import api
from tests.heavy.vm.inside.fabric import HCAS, SoftHca
from tests.heavy.vm.node import parts
from tests.heavy.vm.node.expected import every_number

# Each HCA is a device that pods share.
CONFIG: dict[str, Any] = {
    "configList": [
        {
            "resourceName": "hca",
            "rdmaHcaMax": 4,
            "slotsPer": "hca",
            "selectors": {"ifNames": [hca.netdev for hca in HCAS]},
            "via": "dra",
            "health": {"downSeconds": 1},
        }
    ],
}


class VerbsPod(ClaimPod):
    """A pod of one container. It tries to open every node of every HCA."""

    def manifest(self, limits: Mapping[str, int], others: Iterable[str]) -> dict[str, Any]:
        """In the node's network, where the programs at both ends find each other."""
        made = super().manifest(limits, [*others, *every_number()])
        made["spec"]["hostNetwork"] = True
        made["spec"]["containers"][0]["image"] = parts.VERBS_IMAGE
        return made

    def container(self) -> str:
        """The id of its container, which runs."""
        return self.identity


def claims_of(cluster: DraCluster, hca: SoftHca) -> str:
    """A template for claims of an HCA. Returns its name."""
    return template(cluster, hca.name, [request("hca", selectors=only(hca.name))])


def start(cluster: DraCluster, name: str, claim: str | None) -> VerbsPod:
    """A pod with a claim of a template, or without a claim. It may not run yet."""
    pod = VerbsPod(cluster, name)
    api.post(PODS, pod.with_template(claim) if claim else pod.manifest({}, ()))
    return pod
