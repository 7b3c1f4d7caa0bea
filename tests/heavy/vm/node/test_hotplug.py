"""HCAs that are removed and added with `rdma link`, under running pods."""

from collections.abc import Iterator

import pytest

from tests.heavy.node.pods import Pod
from tests.heavy.node.process import wait_until
from tests.heavy.vm.inside import fabric
from tests.heavy.vm.inside.fabric import EXTRA_A, FABRIC_B
from tests.heavy.vm.node.expected import every_number, hcas_seen_in, sees_exactly
from tests.heavy.vm.node.node import (
    PER_HCA,
    SHARED,
    SHARED_HCAS,
    SHARED_SLOTS,
    SLOTS_OF_AN_HCA,
    Node,
)
from tests.heavy.vm.node.shell import Shell


@pytest.fixture
def with_another(node: Node) -> Iterator[Node]:
    """The node with one more HCA after PER_HCA, until the end of the test."""
    with fabric.netdevs(EXTRA_A):
        fabric.plug(EXTRA_A)
        node.counts(2 * SLOTS_OF_AN_HCA, PER_HCA, "an HCA plugged in")
        yield node
        node.tidy()
    node.counts(SLOTS_OF_AN_HCA, PER_HCA, "the netdev of an HCA deleted")


def health(pod: Pod) -> set[str]:
    return set(pod.health().values())


def test_one_hca_takes_its_own_slots_with_it_and_no_others(with_another: Node) -> None:
    node = with_another
    pods = [node.pod("runs", PER_HCA) for _ in range(2)]  # kubelet spreads them
    pod_of = {hca: pod for pod in pods for hca in hcas_seen_in(Shell(pod.running()))}
    stays, loses = pod_of[FABRIC_B.name], pod_of[EXTRA_A.name]
    before = [pod.identity for pod in pods]

    fabric.unplug(EXTRA_A)
    node.counts(SLOTS_OF_AN_HCA, PER_HCA, "one of two HCAs unplugged")
    wait_until(lambda: health(loses), lambda found: found == {"Unhealthy"})
    assert health(stays) == {"Healthy"}
    late = node.pod("late", PER_HCA, SLOTS_OF_AN_HCA).refused()
    assert f"Requested: {SLOTS_OF_AN_HCA}, Available: {SLOTS_OF_AN_HCA - 1}" in late

    fabric.plug(EXTRA_A)
    node.counts(2 * SLOTS_OF_AN_HCA, PER_HCA, "the HCA plugged in again")
    wait_until(lambda: health(loses), lambda found: found == {"Healthy"})
    assert [pod.identity for pod in pods] == before


def test_without_its_hcas_a_resource_has_no_slot_and_pods_that_run_go_on(node: Node) -> None:
    pod = node.pod("runs", SHARED).running()
    before = pod.identity
    for hca in SHARED_HCAS:
        fabric.unplug(hca)
    node.counts(0, SHARED, "all HCAs unplugged")
    why = node.pod("late", SHARED).refused()
    assert f"no healthy devices present; cannot allocate unhealthy devices {SHARED}" in why

    with node.plugin_says("HCAs rxe0, rxe1"):  # one is enough for the slots
        for hca in SHARED_HCAS:
            fabric.plug(hca)
        node.counts(SHARED_SLOTS, SHARED, "all HCAs plugged in again")
    assert pod.identity == before
    later = node.pod("later", SHARED, others=every_number()).running()
    sees_exactly(later, *SHARED_HCAS)
