"""deploy/overlays/cdi: containerd adds the nodes of the CDI names that kubelet passes on."""

from pathlib import Path

import pytest

from tests.heavy.vm.inside.fabric import FABRIC_B
from tests.heavy.vm.node import parts
from tests.heavy.vm.node.expected import every_number, sees_exactly
from tests.heavy.vm.node.node import PER_HCA, Node


@pytest.fixture
def node(bare_node: Node) -> Node:
    bare_node.run_plugin(parts.CDI)
    return bare_node


def test_a_pod_gets_its_nodes_and_can_open_no_others(node: Node) -> None:
    assert sorted(path.name for path in Path("/var/run/cdi").iterdir()) == [
        "rdma-dp-rdma_per_hca.json",
        "rdma-dp-rdma_shared.json",
    ]
    pod = node.pod("one", PER_HCA, others=every_number()).running()
    sees_exactly(pod, FABRIC_B)
    assert pod.sight().environment["RDMA_DP_PER_HCA_HCAS"] == FABRIC_B.name
