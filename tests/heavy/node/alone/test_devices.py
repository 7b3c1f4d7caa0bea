"""What kubelet knows of the plugin, and what a pod gets."""

import pytest

from tests.heavy.node.alone.conftest import NodeOf
from tests.heavy.node.expected import VARIABLE, hcas_of, nodes_of, numbers_of
from tests.heavy.node.node import ADDRESSES, NAME, NOT_CHOSEN, NUMA_NODES, Node, Setting
from tests.heavy.node.pods import DENIED

pytestmark = pytest.mark.core(per="hca")


def test_kubelet_knows_every_slot_by_its_id_and_numa_node(node: Node, per: str) -> None:
    expected: dict[str, frozenset[int]]
    if per == "resource":
        expected = {str(slot): frozenset() for slot in range(63)}
    else:
        expected = {
            f"{address}-{slot}": frozenset({NUMA_NODES[hca]})
            for hca, address in ADDRESSES.items()
            for slot in range(63)
        }
    assert node.kubelet.devices(NAME) == expected


def test_a_pod_gets_its_nodes_and_variables_and_can_open_no_others(node: Node, per: str) -> None:
    every = numbers_of(*ADDRESSES, *NOT_CHOSEN)
    pod = node.pod("one", others=every).running()
    sight = pod.sight()
    hcas = hcas_of(pod.slots(NAME), per)
    assert len(pod.slots(NAME)) == 1
    assert len(hcas) == (8 if per == "resource" else 1)
    assert sight.nodes.keys() == sight.usable == nodes_of(*hcas)
    assert sight.environment[VARIABLE] == ",".join(f"mlx5_{hca}" for hca in hcas)
    denied = {number for number, said in sight.others.items() if said == DENIED}
    assert sight.others.keys() == every
    assert denied == every - numbers_of(*hcas)


def test_a_pod_that_asks_for_none_gets_none(node: Node) -> None:
    every = numbers_of(*ADDRESSES)
    pod = node.pod("none", slots=0, others=every).running()
    sight = pod.sight()
    assert sight.nodes == {}
    assert sight.others == dict.fromkeys(every, DENIED)
    assert VARIABLE not in sight.environment
    assert pod.allocation == {}


def test_pods_get_slots_of_their_own_until_none_is_left(node: Node) -> None:
    one = node.pod("one").running()
    rest = node.pod("rest", node.setting.slots - 1).running()
    assert not one.slots(NAME) & rest.slots(NAME)
    assert one.slots(NAME) | rest.slots(NAME) == node.kubelet.devices(NAME).keys()
    assert "Requested: 1, Available: 0" in node.pod("late").refused()
    rest.gone()
    node.pod("later").running()


def test_a_pod_that_asks_for_too_many_reads_it_in_its_status(node: Node) -> None:
    slots = node.setting.slots
    why = node.pod("greedy", slots + 1).refused()
    assert why.startswith("UnexpectedAdmissionError: ")
    assert f"unavailable for {NAME}. Requested: {slots + 1}, Available: {slots}" in why


def test_single_slots_come_from_all_hcas(node: Node, per: str) -> None:
    pods = [node.pod("single") for _ in ADDRESSES]
    slots = [pod.running().slots(NAME) for pod in pods]
    assert len(frozenset.union(*slots)) == len(ADDRESSES)
    assert {hca for each in slots for hca in hcas_of(each, per)} == {*ADDRESSES}


def test_by_itself_the_plugin_registers_the_way_the_go_plugin_does(
    node_without_plugin: NodeOf,
) -> None:
    node = node_without_plugin(Setting("auto", "resource"))
    node.kubelet.count(NAME)  # kubelet has made the directory
    node.start_plugin()
    node.counts_all("the plugin starts")
    assert "registered with kubelet's plugin watcher" in node.plugin.said
    node.pod("one").running()
