"""The chart in place of the manifests: from the slice to a pod, and back to the device plugin."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.heavy.dra import audit
from tests.heavy.dra.claim_pods import of_hcas, only, request, start, template
from tests.heavy.dra.dra_cluster import DraCluster
from tests.heavy.dra.manifests import config_of
from tests.heavy.node.cluster import api
from tests.heavy.node.cluster.cluster import DEPLOY

_ROLE = "/apis/rbac.authorization.k8s.io/v1/clusterroles/rdma-dp-dra"
_IN_KUBE_SYSTEM = ("--namespace", "kube-system")


@pytest.fixture
def bare(cluster: DraCluster) -> Iterator[DraCluster]:
    """A cluster without our driver. It is installed as before after the test."""
    cluster.uninstall()
    yield cluster
    cluster.tidy()
    cluster.run("helm", "uninstall", "rdma-dp", *_IN_KUBE_SYSTEM, "--ignore-not-found")
    cluster.without_driver()
    cluster.install(config_of(), devices=9)


def release(cluster: DraCluster, config: dict[str, Any], *, dra: bool) -> None:
    """Install or change the release, as docs/dra.md has it."""
    values = json.dumps({"config": config, "dra": {"enabled": dra}})
    command = ("helm", "upgrade", "--install", "rdma-dp", DEPLOY / "helm" / "rdma-dp")
    cluster.run(*command, *_IN_KUBE_SYSTEM, "--values", "-", stdin=values)


def rolled_out(cluster: DraCluster) -> api.Object:
    """The only pod of the DaemonSet, after a change has come to its end."""
    cluster.rolled_out()
    (pod,) = cluster.wait("one pod", cluster.drivers, lambda found: len(found) == 1)
    return pod


def test_from_the_slice_to_a_pod_and_back(bare: DraCluster) -> None:
    release(bare, config_of(), dra=True)
    bare.wait("devices", bare.devices, lambda found: len(found) == 9)
    source = template(bare, "one", [request("hca", selectors=only("mlx5_4"))])
    pod, old = start(bare, "one", source), bare.pod("old", 1)
    assert pod.running().given() == of_hcas(bare, "mlx5_4")
    sight = old.running().sight()
    assert sight.nodes.keys() == sight.usable == bare.nodes
    before = pod.identity, old.identity
    rolled_out(bare)
    # The resources go back to the device plugin first. Pods keep what they have.
    release(bare, config_of("plugin"), dra=True)
    bare.wait("no devices", bare.devices, lambda found: not found)
    bare.counts(63, "by the device plugin")
    assert (pod.identity, old.identity) == before
    pod.delete()
    old.delete()
    bare.released()
    assert token_volumes(rolled_out(bare)) == ["api-access"]
    # Then the token and the rights go.
    release(bare, config_of("plugin"), dra=False)
    begun = time.time()
    classic = rolled_out(bare)
    bare.counts(63, "without DRA")
    assert not token_volumes(classic)
    assert classic["spec"]["serviceAccountName"] == "default"
    assert api.get(_ROLE) is None
    sight = bare.pod("classic", 1).running().sight()
    assert sight.nodes.keys() == sight.usable == bare.nodes
    assert not [each for each in audit.calls(begun) if each.ours]


def token_volumes(pod: api.Object) -> list[str]:
    """The volumes of a pod that hold a token."""
    return [each["name"] for each in pod["spec"]["volumes"] if "projected" in each]
