"""HCAs whose link is down, and HCAs that are unplugged: taints, devices, and the status of pods."""

import pytest

from tests.heavy.dra.claim_pods import ClaimPod, only, request, says, start, template
from tests.heavy.dra.dra_cluster import DraCluster
from tests.heavy.node.cluster.hardware import Hardware

FIRST, SECOND = "mlx5_0", "mlx5_3"  # the scheduler takes the first device that fits


@pytest.fixture
def pod(cluster: DraCluster) -> ClaimPod:
    """A pod with the first HCA."""
    template(cluster, "any", [request("hca")])
    pod = start(cluster, "first", "any").running()
    assert pod.hcas() == {FIRST}
    return pod


def test_a_link_that_is_down(cluster: DraCluster, hardware: Hardware, pod: ClaimPod) -> None:
    before = pod.identity
    hardware.host.set_port(FIRST, 1, state="DOWN", phys_state="Polling")
    found = cluster.wait("the device is tainted", cluster.taints)
    assert [*found.values()] == ["NoSchedule"]
    cluster.wait("unhealthy in the pod's status", pod.health, says(FIRST, "Unhealthy"))
    assert start(cluster, "second", "any").running().hcas() == {SECOND}
    hardware.host.set_port(FIRST, 1, state="ACTIVE", phys_state="LinkUp")
    cluster.wait("the taint is gone", cluster.taints, lambda found: not found)
    cluster.wait("healthy in the pod's status", pod.health, says(FIRST, "Healthy"))
    assert start(cluster, "third", "any").running().hcas() == {FIRST}
    assert pod.identity == before


def test_an_hca_that_is_unplugged_and_plugged(
    cluster: DraCluster, hardware: Hardware, pod: ClaimPod
) -> None:
    before, devices = pod.identity, cluster.devices()
    host = hardware.host
    host.unplug(FIRST)
    cluster.wait("the device is gone", cluster.devices, lambda found: len(found) == 8)
    cluster.wait("unhealthy in the pod's status", pod.health, says(FIRST, "Unhealthy"))
    ((_, message),) = pod.health().values()
    assert FIRST in message
    assert start(cluster, "second", "any").running().hcas() == {SECOND}
    source = template(cluster, "same", [request("hca", selectors=only(FIRST))])
    waits = start(cluster, "waits", source)
    assert "cannot allocate all claims" in waits.pending()
    host.plug(FIRST)
    cluster.wait("the device is back", cluster.devices, lambda found: found == devices)
    cluster.wait("healthy in the pod's status", pod.health, says(FIRST, "Healthy"))
    assert waits.running().hcas() == {FIRST}
    assert pod.identity == before
