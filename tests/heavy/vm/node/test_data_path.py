"""Data goes from pod to pod over the HCA that both have, and over no other path."""

from collections.abc import Callable

import pytest

from tests.heavy.vm.inside.fabric import FABRIC_B
from tests.heavy.vm.inside.verbs import ping_pong, write_bandwidth, write_speed
from tests.heavy.vm.node.expected import number, sees_nothing
from tests.heavy.vm.node.node import PER_HCA, Node
from tests.heavy.vm.node.shell import Shell

Record = Callable[[str, object], None]


@pytest.fixture
def pair(node: Node) -> tuple[Shell, Shell]:
    """Two pods with a slot of one HCA each."""
    pods = [node.pod(name, PER_HCA) for name in ("server", "client")]
    server, client = (Shell(pod.running()) for pod in pods)
    return server, client


def test_two_pods_with_a_slot_each_and_one_without(
    node: Node, pair: tuple[Shell, Shell], record_property: Record
) -> None:
    uverbs = number(FABRIC_B.uverbs)
    outsider = node.pod("outsider", others=[uverbs]).running()

    said = ping_pong(*pair, FABRIC_B)
    assert "20 iters in" in said
    record_property("ibv_rc_pingpong between two pods", said.strip().replace("\n", "; "))

    sees_nothing(outsider, [uverbs])


def test_rdma_writes_from_pod_to_pod(pair: tuple[Shell, Shell], record_property: Record) -> None:
    said = write_bandwidth(*pair, FABRIC_B)
    record_property("ib_write_bw between two pods, MB/s", write_speed(said))
