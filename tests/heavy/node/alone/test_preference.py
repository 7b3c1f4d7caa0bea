"""Of many slots, kubelet allocates those that the plugin prefers."""

import pytest

from tests.heavy.node.alone.conftest import NodeOf
from tests.heavy.node.expected import VARIABLE, hcas_of, nodes_of
from tests.heavy.node.node import ADDRESSES, NAME, NUMA_NODES, Node, Setting

BOARDS = [{hca for hca, numa in NUMA_NODES.items() if numa == half} for half in (0, 1)]

only_per_hca = pytest.mark.parametrize("per", ["hca"], indirect=True, scope="session")


@only_per_hca
def test_two_pods_of_four_split_the_board(node: Node) -> None:
    taken = []
    for _ in range(2):
        pod = node.pod("half", 4).running()
        hcas = hcas_of(pod.slots(NAME), "hca")
        sight = pod.sight()
        assert sight.nodes.keys() == sight.usable == nodes_of(*hcas)
        assert sight.environment[VARIABLE] == ",".join(f"mlx5_{hca}" for hca in hcas)
        taken.append({*hcas})
    assert sorted(taken, key=min) == BOARDS


@only_per_hca
def test_a_pod_of_eight_gets_every_hca(node: Node) -> None:
    pod = node.pod("whole", 8).running()
    assert hcas_of(pod.slots(NAME), "hca") == [*ADDRESSES]


def test_packed_slots_come_from_one_hca(node_of: NodeOf, way: str) -> None:
    node = node_of(Setting(way, "hca", entry={"preference": "pack"}))
    pods = [node.pod("packed", 4).running() for _ in range(3)]
    assert len({hca for pod in pods for hca in hcas_of(pod.slots(NAME), "hca")}) == 1
