"""The stories of docs/dra.md with real pods: each sees its HCAs' nodes and variables, no others."""

import json
from collections import Counter

from tests.heavy.dra.claim_pods import (
    ClaimPod,
    named_claim,
    only,
    parameters,
    request,
    start,
    start_all,
    template,
)
from tests.heavy.dra.dra_cluster import DraCluster
from tests.heavy.dra.fake_gpus import fake_gpus
from tests.heavy.node.cluster import api
from tests.heavy.node.cluster.cluster import DEPLOY, NAME

ROOT = "resource.kubernetes.io/pcieRoot"


def test_rdma_dp_slices_prints_what_is_published(cluster: DraCluster) -> None:
    ask = ("-n", "kube-system", "exec", "ds/rdma-dp", "--", "rdma-dp", "slices", "-o", "json")
    printed = json.loads(cluster.kubectl(*ask))["items"]
    assert [each["spec"] for each in printed] == [each["spec"] for each in cluster.slices()]


def test_a_pod_with_a_claim_has_one_hca(cluster: DraCluster) -> None:
    source = template(cluster, "one", [request("hca", selectors=only("mlx5_4"))])
    pod = start(cluster, "one", source).running()
    sight = pod.sight()
    expected = {"rdma_cm", *(f"{kind}4" for kind in ("uverbs", "umad", "issm"))}
    assert sight.nodes.keys() == sight.usable == expected & cluster.nodes
    assert sight.environment["RDMA_DP_HCA_HCAS"] == "mlx5_4"
    assert sight.environment["NCCL_IB_HCA"] == "=mlx5_4"
    health = cluster.wait("its health is in its status", pod.health)
    assert [("mlx5_4" in name, state) for name, (state, _) in health.items()] == [(True, "Healthy")]


def test_a_pod_with_a_claim_has_the_whole_resource(cluster: DraCluster) -> None:
    source = template(cluster, "all", [request("all", "rdma-shared-device-a")])
    sight = start(cluster, "all", source).running().sight()
    assert sight.nodes.keys() == sight.usable == cluster.nodes
    listed = sight.environment["RDMA_DP_RDMA_SHARED_DEVICE_A_HCAS"].split(",")
    assert listed == [f"mlx5_{number}" for number in range(12)]


def test_an_old_pod_gets_the_resource_by_its_limit(cluster: DraCluster) -> None:
    sight = cluster.pod("old", 1).running().sight()
    assert cluster.allocatable(NAME) in (None, "0")
    assert sight.nodes.keys() == sight.usable == cluster.nodes
    assert "RDMA_DP_RDMA_SHARED_DEVICE_A_HCAS" in sight.environment


def test_one_claim_for_two_pods(cluster: DraCluster) -> None:
    pods = [ClaimPod(cluster, name) for name in ("first", "second")]
    both = named_claim("both", request("hca", selectors=only("mlx5_3")))
    cluster.make(both, *(pod.with_claim("both") for pod in pods))
    assert [pod.running().hcas() for pod in pods] == [{"mlx5_3"}] * 2
    pods[0].delete()
    assert len(cluster.prepared()) == len(cluster.specs()) == 1
    pods[1].delete()
    cluster.wait("the claim is released", cluster.prepared, lambda found: not found)


def test_a_claim_with_two_requests_and_parameters(cluster: DraCluster) -> None:
    asked = [request(f"hca{number}", selectors=only(f"mlx5_{number}")) for number in (3, 4)]
    source = template(cluster, "two", asked, config=[parameters(UCX_NET_DEVICES="ports")])
    pod = start(cluster, "two", source).running()
    variables = pod.sight().environment
    assert pod.hcas() == {"mlx5_3", "mlx5_4"}
    assert variables["RDMA_DP_HCA_HCAS"] == "mlx5_3,mlx5_4"
    assert variables["RDMA_DP_HCA3_HCAS"] == "mlx5_3"
    assert variables["RDMA_DP_HCA4_HCAS"] == "mlx5_4"
    assert variables["UCX_NET_DEVICES"] == "mlx5_3:1,mlx5_4:1"
    cluster.wait("the health of both", pod.health, lambda found: len(found) == 2)


def test_63_of_64_pods_share_one_hca(cluster: DraCluster) -> None:
    cluster.kubectl("apply", "-f", DEPLOY / "dra" / "shared-hca.yaml")
    cluster.kubectl("scale", "deployment", "shared-hca", "--replicas=64")

    def pods() -> list[api.Object]:
        found: list[api.Object] = (api.get("/api/v1/namespaces/default/pods") or {})["items"]
        return found

    def phases() -> Counter[str]:
        return Counter(pod["status"]["phase"] for pod in pods())

    wanted = {"Running": 63, "Pending": 1}
    cluster.wait("63 of 64 pods run", phases, lambda found: found == wanted)
    names = {pod["metadata"]["name"]: pod["status"]["phase"] for pod in pods()}
    late = next(ClaimPod(cluster, name) for name, phase in names.items() if phase == "Pending")
    assert "cannot allocate all claims" in late.pending()
    first = next(ClaimPod(cluster, name) for name, phase in names.items() if phase == "Running")
    assert first.listed() == {"mlx5_0"}
    cluster.kubectl("scale", "deployment", "shared-hca", "--replicas=63")
    cluster.wait("63 pods are left", phases, lambda found: found == {"Running": 63})


def test_old_pods_of_a_deployment(cluster: DraCluster) -> None:
    cluster.kubectl("apply", "-f", DEPLOY / "dra" / "old-pods.yaml")
    ready = ("rollout", "status", "deployment/old-pods", "--timeout=60s")
    cluster.kubectl(*ready)
    assert len(cluster.prepared()) == 2


def test_the_hca_next_to_the_gpu(cluster: DraCluster) -> None:
    """Eight pods get eight HCAs, each on the root of its GPU."""
    with fake_gpus(cluster) as roots:
        cluster.kubectl("apply", "-f", DEPLOY / "dra" / "gpu-and-hca.yaml")
        names = [f"pair-{number}" for number in range(1, len(roots))]
        pods = start_all(cluster, names, "gpu-and-hca")
        shipped = ClaimPod(cluster, "gpu-and-hca").running()
        hcas = [shipped.listed(), *(pod.running().hcas() for pod in pods)]
        assert [len(each) for each in hcas] == [1] * len(roots) == [1] * 8
        assert len({name for each in hcas for name in each}) == 8
        places = {f"gpu-{number}": root for number, root in enumerate(roots)}
        for claim in cluster.claims():
            given = claim["status"]["allocation"]["devices"]["results"]
            devices = {each["request"]: each["device"] for each in given}
            attributes = cluster.devices()[devices["hca"]]["attributes"]
            assert attributes[ROOT]["string"] == places[devices["gpu"]]


def test_a_whole_node(cluster: DraCluster) -> None:
    """All GPUs, and all HCAs that are devices of their own."""
    with fake_gpus(cluster):
        cluster.kubectl("apply", "-f", DEPLOY / "dra" / "whole-node.yaml")
        pod = ClaimPod(cluster, "whole-node").running()
        assert len(pod.listed()) == 8
