"""HCAs that disappear or lose their link, and come back, under running pods."""

import pytest

from simulator.host import SimulatedHost
from tests.heavy.node.alone.conftest import NodeOf
from tests.heavy.node.features import POD_STATUS
from tests.heavy.node.node import ADDRESSES, NAME, Node, Setting
from tests.heavy.node.pods import Pod
from tests.heavy.node.process import wait_until

HCAS = [f"mlx5_{number}" for number in ADDRESSES]


def turns(node: Node, pod: Pod, health: str, slots: frozenset[str]) -> None:
    """Wait until the pod's status shows this health for all of its slots, if kubelet writes it."""
    if node.has(POD_STATUS):
        wait_until(pod.health, lambda found: found == dict.fromkeys(slots, health))


def unplug(host: SimulatedHost, *hcas: str) -> None:
    for hca in hcas:
        host.unplug(hca)


def plug(host: SimulatedHost, *hcas: str) -> None:
    for hca in hcas:
        host.plug(hca)


@pytest.fixture
def pods(node: Node) -> dict[Pod, frozenset[str]]:
    """Two pods, with the slots of each. Together they have all slots."""
    found = [node.pod("one"), node.pod("rest", node.setting.slots - 1)]
    return {pod: pod.running().slots(NAME) for pod in found}


def come_back(node: Node, pods: dict[Pod, frozenset[str]]) -> None:
    """Every HCA is back, and so is every slot."""
    plug(node.host, *HCAS)
    node.look_again()
    node.counts_all("all HCAs plugged in again")
    for pod, slots in pods.items():
        turns(node, pod, "Healthy", slots)


def test_without_hcas_no_slot_is_left_and_pods_that_run_are_not_touched(
    node: Node, pods: dict[Pod, frozenset[str]]
) -> None:
    before = [pod.identity for pod in pods]
    for pod, slots in pods.items():
        turns(node, pod, "Healthy", slots)
    unplug(node.host, *HCAS)
    node.look_again()
    node.counts(0, "all HCAs unplugged")
    for pod, slots in pods.items():  # each slot: kubelet would show an unknown id as Healthy
        turns(node, pod, "Unhealthy", slots)
    assert f"no healthy devices present; cannot allocate unhealthy devices {NAME}" in (
        node.pod("late").refused()
    )
    assert [pod.identity for pod in pods] == before
    come_back(node, pods)
    assert [pod.identity for pod in pods] == before
    next(iter(pods)).gone()
    node.pod("later").running()


def test_a_kubelet_that_restarts_meanwhile_counts_none_either(
    node: Node, pods: dict[Pod, frozenset[str]]
) -> None:
    before = [pod.identity for pod in pods]
    unplug(node.host, *HCAS)
    node.look_again()
    node.counts(0, "all HCAs unplugged")
    node.kubelet.restart()
    node.registered(1, "kubelet restarted")
    for pod, slots in pods.items():
        turns(node, pod, "Unhealthy", slots)
    assert node.kubelet.count(NAME) == 0
    assert [pod.identity for pod in pods] == before
    come_back(node, pods)
    assert [pod.identity for pod in pods] == before


@pytest.mark.core
@pytest.mark.parametrize("per", ["hca"], indirect=True, scope="session")
def test_one_hca_takes_its_own_slots_with_it_and_no_others(node: Node) -> None:
    pods = [node.pod("runs") for _ in ADDRESSES]
    slots = {pod: pod.running().slots(NAME) for pod in pods}
    lost = ADDRESSES[3]
    unplug(node.host, "mlx5_3")
    node.look_again()
    node.counts(7 * 63, "one of eight HCAs unplugged")
    for pod, of_pod in slots.items():
        theirs = any(slot.startswith(lost) for slot in of_pod)
        turns(node, pod, "Unhealthy" if theirs else "Healthy", of_pod)
    plug(node.host, "mlx5_3")
    node.look_again()
    node.counts_all("the HCA plugged in again")


@pytest.mark.parametrize("per", ["hca"], indirect=True, scope="session")
def test_a_link_that_stays_down_is_seen_without_an_event(node: Node) -> None:
    node.host.set_port("mlx5_0", 1, state="DOWN", phys_state="Polling")
    node.counts(7 * 63, "a port goes down and stays so")
    node.host.set_port("mlx5_0", 1, state="ACTIVE", phys_state="LinkUp")
    node.counts_all("the port is up again")


def test_our_refusal_is_what_the_pods_owner_reads(node_without_plugin: NodeOf, way: str) -> None:
    """kubelet's list is older than the plugin's: a pod starts just when the HCA disappears."""
    node = node_without_plugin(Setting(way, "hca"))
    node.start_plugin(fault="lists-but-once")
    node.counts_all("the plugin starts on a new node")
    unplug(node.host, *HCAS)
    node.look_again()
    wait_until(lambda: node.plugin.said, lambda said: "0 of 504 slots healthy" in said)
    why = node.pod("unlucky").refused()
    assert why.startswith("UnexpectedAdmissionError: ")
    assert f"{NAME} has no usable HCA on this node: " in why
    assert "rdma-dp dry-run" in why
