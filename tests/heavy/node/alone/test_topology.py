"""kubelet's topology manager admits what one NUMA node can give, and refuses other pods."""

import pytest

from tests.heavy.node.alone.conftest import NodeOf
from tests.heavy.node.expected import hcas_of
from tests.heavy.node.node import NAME, NUMA_NODES, Node, Setting

POLICY = {"topologyManagerPolicy": "single-numa-node"}
PER_NUMA_NODE = 4 * 63


def on_one_numa_node(slots: frozenset[str]) -> bool:
    return len({NUMA_NODES[hca] for hca in hcas_of(slots, "hca")}) == 1


@pytest.fixture
def node(node_of: NodeOf, way: str) -> Node:
    return node_of(Setting(way, "hca", kubelet=POLICY))


def test_each_pod_gets_slots_of_one_numa_node(node: Node) -> None:
    for slots in (1, 2, 4, 100):
        assert on_one_numa_node(node.pod("aligned", slots).running().slots(NAME))


def test_all_slots_of_a_numa_node_go_to_one_pod_and_one_more_would_not(node: Node) -> None:
    refused = node.pod("across", PER_NUMA_NODE + 1).refused()
    assert refused.startswith("TopologyAffinityError: ")
    assert on_one_numa_node(node.pod("whole", PER_NUMA_NODE).running().slots(NAME))


def test_pods_that_run_are_admitted_again_after_a_restart_of_kubelet(node: Node) -> None:
    pod = node.pod("whole", PER_NUMA_NODE).running()
    before = pod.identity
    node.host.unplug("mlx5_3")
    node.look_again()
    node.counts(7 * 63, "one of eight HCAs unplugged")
    node.kubelet.restart()
    node.counts(7 * 63, "kubelet restarted")
    assert pod.identity == before
    node.host.plug("mlx5_3")
    node.look_again()
    node.counts_all("the HCA plugged in again")
    assert pod.identity == before


@pytest.mark.parametrize(("per", "entry"), [("resource", {}), ("hca", {"topology": False})])
def test_slots_without_a_numa_node_are_admitted_anywhere(
    node_of: NodeOf, way: str, per: str, entry: dict[str, bool]
) -> None:
    node = node_of(Setting(way, per, entry=entry, kubelet=POLICY))
    assert {*node.kubelet.devices(NAME).values()} == {frozenset()}
    node.pod("all", node.setting.slots).running()
