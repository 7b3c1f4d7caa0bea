"""HCAs whose link is down, and HCAs that are unplugged, under pods with claims."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from tests.heavy.dra.claim_pods import says
from tests.heavy.dra.dra_cluster import DraCluster
from tests.heavy.vm.dra.verbs_pods import VerbsPod, claims_of, start
from tests.heavy.vm.inside import fabric
from tests.heavy.vm.inside.fabric import FABRIC_A, HCAS
from tests.heavy.vm.inside.verbs import ping_pong
from tests.heavy.vm.node.shell import Shell

T = TypeVar("T")


def test_a_link_that_is_down(cluster: DraCluster) -> None:
    claim = claims_of(cluster, FABRIC_A)
    first = start(cluster, "first", claim).running()
    before = first.identity
    with until_the_end(fabric.set_down, FABRIC_A.netdev, fabric.set_up):
        found = cluster.wait("the device is tainted", cluster.taints)
        assert [*found.values()] == ["NoSchedule"]
        second = waits_for(cluster, first, claim)
    cluster.wait("the taint is gone", cluster.taints, lambda found: not found)
    talk_again(cluster, first, second)
    assert first.identity == before


def test_an_hca_that_is_unplugged_and_plugged(cluster: DraCluster) -> None:
    claim, devices = claims_of(cluster, FABRIC_A), cluster.devices()
    first = start(cluster, "first", claim).running()
    before = first.identity
    with until_the_end(fabric.unplug, FABRIC_A, fabric.plug):
        left = len(HCAS) - 1
        cluster.wait("the device is gone", cluster.devices, lambda found: len(found) == left)
        second = waits_for(cluster, first, claim)
    cluster.wait("the device is back", cluster.devices, lambda found: found == devices)
    talk_again(cluster, first, second)
    assert first.identity == before


@contextmanager
def until_the_end(
    change: Callable[[T], None], of: T, change_back: Callable[[T], None]
) -> Iterator[None]:
    """Change the fabric for a while."""
    change(of)
    try:
        yield
    finally:
        change_back(of)


def waits_for(cluster: DraCluster, first: VerbsPod, claim: str) -> VerbsPod:
    """The status of the pod that has the HCA says Unhealthy, and a second pod waits for it."""
    unhealthy = says(FABRIC_A.name, "Unhealthy")
    cluster.wait("unhealthy in the pod's status", first.health, unhealthy)
    second = start(cluster, "second", claim)
    assert "cannot allocate all claims" in second.pending()
    return second


def talk_again(cluster: DraCluster, first: VerbsPod, second: VerbsPod) -> None:
    """The second pod gets the HCA, and data goes over it."""
    cluster.wait("healthy in the pod's status", first.health, says(FABRIC_A.name, "Healthy"))
    assert "20 iters in" in ping_pong(Shell(first), Shell(second.running()), FABRIC_A)
