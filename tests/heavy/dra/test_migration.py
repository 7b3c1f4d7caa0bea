"""From the device plugin to DRA and back, under running pods that do not change."""

from tests.heavy.dra.dra_cluster import DraCluster
from tests.heavy.dra.manifests import config_of
from tests.heavy.node.cluster.cluster import NAME


def test_to_dra_and_back(cluster: DraCluster) -> None:
    cluster.offer(config_of("plugin"), 0, "no devices any more")
    cluster.counts(63, "by the device plugin")
    assert not cluster.slices()
    first = cluster.pod("first", 1).running()
    before = first.identity
    cluster.offer(config_of(), 9, "devices by DRA")
    assert cluster.kubelet.count(NAME) == 0
    # kubelet reports it to the scheduler later. It refuses a pod that is placed before that.
    cluster.counts(0, "by the device plugin, for the scheduler")
    second = cluster.pod("second", 1).running()
    assert second.status["extendedResourceClaimStatus"]["resourceClaimName"]
    meanwhile = second.identity
    cluster.offer(config_of("plugin"), 0, "no devices once more")
    cluster.counts(63, "by the device plugin once more")
    third = cluster.pod("third", 1).running()
    assert "extendedResourceClaimStatus" not in third.status
    assert first.identity == before
    assert second.identity == meanwhile
    second.delete()
    cluster.wait("the claim is released", cluster.prepared, lambda found: not found)
    third.delete()
    cluster.offer(config_of(), 9, "devices by DRA for the next test")
    assert first.identity == before
    views = [pod.sight() for pod in (first,)]
    assert [view.nodes.keys() for view in views] == [cluster.nodes]
