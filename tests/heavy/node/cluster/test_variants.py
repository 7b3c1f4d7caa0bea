"""Every overlay that a plain cluster accepts, and the chart with helm."""

import json

from tests.heavy.node.cluster.cluster import DEPLOY, NAME, WRITTEN, Cluster


def test_cdi(cluster: Cluster) -> None:
    cluster.kubectl("apply", "-k", DEPLOY / "overlays" / "cdi")
    cluster.counts(63, "deploy/overlays/cdi applied")
    (spec,) = WRITTEN[0].glob("rdma-dp-*")
    assert json.loads(spec.read_text())["kind"] == "rdma-dp/rdma_rdma_shared_device_a"
    sight = cluster.pod("one", 1).running().sight()
    assert sight.nodes.keys() == sight.usable == cluster.nodes


def test_slots_per_hca(cluster: Cluster) -> None:
    cluster.kubectl("apply", "-k", DEPLOY / "overlays" / "per-hca")
    cluster.counts(12 * 63, "deploy/overlays/per-hca applied")
    pods = [cluster.pod(name, 1) for name in ("one", "two")]
    sights = [pod.running().sight() for pod in pods]
    hcas = [sight.environment["NCCL_IB_HCA"] for sight in sights]
    assert len({*hcas}) == 2
    for hca, sight in zip(hcas, sights, strict=True):
        number = hca.removeprefix("=").partition(":")[0].removeprefix("mlx5_")
        expected = {"rdma_cm", *(f"{kind}{number}" for kind in ("uverbs", "umad", "issm"))}
        assert sight.nodes.keys() == sight.usable == expected & cluster.nodes
    assert list(WRITTEN[1].rglob("*.json"))


def test_privileged(cluster: Cluster) -> None:
    cluster.kubectl("apply", "-k", DEPLOY / "overlays" / "privileged")
    cluster.counts(63, "deploy/overlays/privileged applied")
    assert cluster.pod("one", 1).running().sight().nodes.keys() == cluster.nodes


def test_helm_installs_and_changes_and_removes(cluster: Cluster) -> None:
    helm = ("upgrade", "--install", "rdma-dp", "deploy/helm/rdma-dp", "--namespace", "kube-system")
    cluster.run("helm", *helm)
    cluster.counts(63, "the chart installed")
    # See test_shipped.py: a change within minReadySeconds would wait.
    cluster.rolled_out()
    cluster.run("helm", *helm, "--set", "cdi.enabled=true")
    cluster.rolled_out()
    cluster.wait("one pod is left", cluster.daemon_pods, lambda pods: len(pods) == 1)
    cluster.counts(63, "the chart changed")
    sight = cluster.pod("one", 1).running().sight()
    assert sight.nodes.keys() == sight.usable == cluster.nodes
    assert list(WRITTEN[0].iterdir())
    cluster.run("helm", "uninstall", "rdma-dp", "--namespace", "kube-system")
    cluster.counts(0, "the chart removed")
    assert NAME in cluster.kubectl("get", "node", "node", "-o", "json")
