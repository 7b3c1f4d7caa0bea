"""What kubelet knows of the plugin, and what a pod gets of the HCAs."""

from tests.heavy.node.pods import DENIED
from tests.heavy.vm.inside.fabric import FABRIC_A, FABRIC_B
from tests.heavy.vm.node.expected import every_number, sees_exactly
from tests.heavy.vm.node.node import (
    PER_HCA,
    SHARED,
    SHARED_HCAS,
    SHARED_SLOTS,
    SLOTS_OF_AN_HCA,
    Node,
)
from tests.heavy.vm.node.shell import Shell


def test_kubelet_knows_every_slot_by_its_id(node: Node) -> None:
    assert node.kubelet.devices(SHARED).keys() == {str(slot) for slot in range(SHARED_SLOTS)}
    assert node.kubelet.devices(PER_HCA).keys() == {
        f"{FABRIC_B.name}-{slot}" for slot in range(SLOTS_OF_AN_HCA)
    }


def test_a_slot_of_the_resource_gives_all_its_hcas_and_no_other(node: Node) -> None:
    pod = node.pod("shared", SHARED, others=every_number()).running()
    sees_exactly(pod, *SHARED_HCAS)
    assert pod.sight().environment["RDMA_DP_SHARED_HCAS"] == "rxe0,rxe1"


def test_a_slot_of_an_hca_gives_this_one_and_no_other(node: Node) -> None:
    pod = node.pod("per-hca", PER_HCA, others=every_number()).running()
    sees_exactly(pod, FABRIC_B)
    environment = pod.sight().environment
    assert environment["RDMA_DP_PER_HCA_HCAS"] == "rxe2"
    assert environment["NCCL_IB_HCA"] == "=rxe2"


def test_a_pod_that_asks_for_none_gets_none(node: Node) -> None:
    every = every_number()
    pod = node.pod("none", others=every).running()
    sight = pod.sight()
    assert sight.nodes == {}
    assert sight.others == dict.fromkeys(every, DENIED)
    assert not [name for name in sight.environment if name.startswith("RDMA_DP_")]
    assert pod.allocation == {}


def test_a_pod_that_asks_for_too_many_reads_it_in_its_status(node: Node) -> None:
    why = node.pod("greedy", SHARED, SHARED_SLOTS + 1).refused()
    assert why.startswith("UnexpectedAdmissionError: ")
    assert f"Requested: {SHARED_SLOTS + 1}, Available: {SHARED_SLOTS}" in why


def test_an_hca_that_a_pod_was_not_given_is_none_to_libibverbs(node: Node) -> None:
    shell = Shell(node.pod("per-hca", PER_HCA).running())
    refused = shell.run("ibv_rc_pingpong", "--ib-dev", FABRIC_A.name)
    assert refused.returncode != 0
    assert f"IB device {FABRIC_A.name} not found" in refused.stderr
