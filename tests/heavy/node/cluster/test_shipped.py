"""deploy/ as it is shipped, unedited, applied and verified as docs/install.md describes."""

import json

import pytest

from rdma_dp import __version__
from tests.heavy.node.cluster import api
from tests.heavy.node.cluster.cluster import DEPLOY, NAME, Cluster
from tests.heavy.node.cluster.pods import Pod

ALL = {f"mlx5_{number}" for number in range(12)}


@pytest.fixture
def base(cluster: Cluster) -> Cluster:
    cluster.kubectl("apply", "-k", DEPLOY / "base")
    cluster.counts(63, "deploy/base applied")
    return cluster


def test_the_test_pod_gets_its_nodes(base: Cluster) -> None:
    base.kubectl("apply", "-f", DEPLOY / "test-pod.yaml")
    lines = Pod(base, "rdma-test").running().log()
    listed = [line.split() for line in lines if line.startswith("c")]
    seen = {words[-1]: (int(words[4].strip(",")), int(words[5])) for words in listed}
    assert seen == base.numbers
    (variable,) = [line for line in lines if line.startswith("RDMA_DP_")]
    assert {*variable.partition("=")[2].split(",")} == ALL


def test_the_64th_pod_waits_until_one_is_free(base: Cluster) -> None:
    pods = base.pods_of_one_slot(63)
    late = base.pod("late", 1)
    assert f"Insufficient {NAME}" in late.pending()
    pods[0].delete()
    late.running()


def test_a_changed_config_map_is_followed(base: Cluster) -> None:
    pod = base.pod("runs", 1).running()
    before = pod.identity
    (daemon,) = base.daemon_pods()
    config = {"configList": [{"resourceName": "rdma_shared_device_a", "rdmaHcaMax": 100}]}
    config["configList"][0]["selectors"] = {"vendors": ["15b3"]}
    base.configure(json.dumps(config))
    base.counts(100, "the ConfigMap changed")
    base.configure("{no config")
    base.says("the last good config stays in force")
    assert base.allocatable() == "100"
    assert [each["metadata"]["uid"] for each in base.daemon_pods()] == [daemon["metadata"]["uid"]]
    assert pod.identity == before


def test_an_update_leaves_running_pods_and_the_count_alone(base: Cluster) -> None:
    pod = base.pod("runs", 1).running()
    before = pod.identity
    # An update within minReadySeconds after the old pod's start hangs: the DaemonSet controller
    # checks when the old pod is ready for long enough, and not again for the new one (v1.36.3).
    base.rolled_out()
    (old,) = base.daemon_pods()
    base.retag("rdma-dp:next")
    drops = base.kubelet.drops
    with base.counted() as counts:
        base.kubectl("-n", "kube-system", "set", "image", "ds/rdma-dp", "rdma-dp=rdma-dp:next")
        base.wait("both pods run", base.daemon_pods, both_run)
        base.rolled_out()
        base.wait("the old pod is gone", base.daemon_pods, lambda pods: len(pods) == 1)
        base.says("registering once more")
        base.counts(63, "the new pod alone")
    assert {*counts} == {63}
    assert base.kubelet.drops == drops
    (new,) = base.daemon_pods()
    assert new["metadata"]["uid"] != old["metadata"]["uid"]
    assert new["spec"]["containers"][0]["image"] == "rdma-dp:next"
    assert pod.identity == before
    base.pod("new", 1).running()


def both_run(pods: list[api.Object]) -> bool:
    return [pod["status"]["phase"] for pod in pods] == ["Running"] * 2


def test_what_the_docs_look_at(base: Cluster) -> None:
    base.rolled_out()
    said = base.kubectl("-n", "kube-system", "exec", "ds/rdma-dp", "--", "rdma-dp", "dry-run")
    assert "rdma/rdma_shared_device_a" in said
    columns = (
        "custom-columns=NODE:.metadata.name,SLOTS:.status.allocatable.rdma/rdma_shared_device_a"
    )
    assert base.kubectl("get", "nodes", "-o", columns).split() == ["NODE", "SLOTS", "node", "63"]
    logs = ("logs", "-l", "app.kubernetes.io/name=rdma-dp", "--prefix")
    assert f"rdma-dp {__version__}" in base.kubectl("-n", "kube-system", *logs, "--tail=-1")
    base.kubectl("delete", "-k", DEPLOY / "base")
    base.counts(0, "deploy/base deleted")
