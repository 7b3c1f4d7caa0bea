"""The stories of docs/dra.md with real pods: each sees its HCAs' nodes and variables, no others."""

from tests.heavy.dra.claim_pods import only, request, start, template
from tests.heavy.dra.dra_cluster import DraCluster
from tests.heavy.node.cluster.cluster import NAME


def test_a_pod_with_a_claim_has_one_hca(cluster: DraCluster) -> None:
    source = template(cluster, "one", [request("hca", selectors=only("mlx5_4"))])
    pod = start(cluster, "one", source).running()
    sight = pod.sight()
    expected = {"rdma_cm", *(f"{kind}4" for kind in ("uverbs", "umad", "issm"))}
    assert sight.nodes.keys() == sight.usable == expected & cluster.nodes
    assert sight.environment["RDMA_DP_HCA_HCAS"] == "mlx5_4"
    assert sight.environment["NCCL_IB_HCA"] == "=mlx5_4:1"
    (device,) = pod.health()
    assert "mlx5_4" in device


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
