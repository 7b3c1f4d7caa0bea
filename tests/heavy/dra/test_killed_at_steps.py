"""The driver gets SIGKILL at each step of prepare and unprepare, and kubelet starts it again.

The pod runs and sees its HCA and no other. When it is deleted, nothing of its claim is left.
"""

import os
import signal
from contextlib import ExitStack
from itertools import cycle

import pytest

from tests.heavy.dra.claim_pods import events, of_hcas, only, parameters, request, start, template
from tests.heavy.dra.dra_cluster import DraCluster
from tests.heavy.dra.killed_driver import (
    PREPARE,
    UNPREPARE,
    Step,
    killed_before,
    lock_held,
    locks,
)
from tests.heavy.node.cluster.control_plane import ControlPlane
from tests.heavy.node.process import wait_until

HCA = "mlx5_4"

_PAIRS = [*zip(PREPARE, cycle(UNPREPARE))]


@pytest.fixture
def source(cluster: DraCluster) -> str:
    return template(cluster, "one", [request("hca", selectors=only(HCA))])


@pytest.mark.parametrize(
    ("prepare", "unprepare"),
    [(PREPARE[first], UNPREPARE[second]) for first, second in _PAIRS],
    ids=[f"{first}, then {second}" for first, second in _PAIRS],
)
def test_one_claim(cluster: DraCluster, source: str, prepare: Step, unprepare: Step) -> None:
    with killed_before(cluster, prepare):
        pod = start(cluster, "one", source)
    assert pod.running().given() == of_hcas(cluster, HCA)
    with killed_before(cluster, unprepare):
        pod.delete_soon()
    cluster.released()


def test_the_api_server_does_not_answer(
    cluster: DraCluster, control_plane: ControlPlane, source: str
) -> None:
    """It is killed while it waits for the claim."""
    pid = cluster.pid()
    with ExitStack() as stack:
        with lock_held():
            pod = start(cluster, "one", source)
            wait_until(lambda: locks(pid))
            stack.enter_context(control_plane.api_server_away())
        wait_until(lambda: not locks(pid))
        os.kill(pid, signal.SIGKILL)
    assert pod.running().given() == of_hcas(cluster, HCA)
    pod.delete_soon()
    cluster.released()


def test_what_fails(cluster: DraCluster) -> None:
    """kubelet unprepares a claim whose prepare has failed. So the driver notes it."""
    wrong = [parameters(NCCL_IB_HCA="hca")]
    source = template(cluster, "bad", [request("hca")], config=wrong)
    with killed_before(cluster, PREPARE["the claim file is written"]):
        pod = start(cluster, "bad", source)
    cluster.wait("the event", lambda: events(cluster, "bad"), lambda text: "did you mean" in text)
    with killed_before(cluster, UNPREPARE["the claim file is removed"]):
        pod.delete_soon()
    cluster.released()


def test_kubelet_has_the_answer(cluster: DraCluster, source: str) -> None:
    before = cluster.answers("NodePrepareResources")
    pod = start(cluster, "one", source)
    wait_until(lambda: cluster.answers("NodePrepareResources"), before.__lt__)
    cluster.kill()
    assert pod.running().given() == of_hcas(cluster, HCA)
    before = cluster.answers("NodeUnprepareResources")
    pod.delete_soon()
    wait_until(lambda: cluster.answers("NodeUnprepareResources"), before.__lt__)
    cluster.kill()
    cluster.released()
