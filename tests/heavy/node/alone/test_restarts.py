"""kubelet and the plugin exit, with SIGTERM and SIGKILL, and start again. Pods keep running."""

import signal

import pytest

from tests.heavy.node.containerd import kill_container
from tests.heavy.node.node import NAME, Node
from tests.heavy.node.process import wait_until

TERM, KILL = signal.SIGTERM, signal.SIGKILL

either_end = pytest.mark.parametrize("end", [TERM, KILL], ids=["TERM", "KILL"])


@pytest.mark.core(per="hca", end=KILL)
@either_end
def test_kubelet_restarts(node: Node, end: signal.Signals) -> None:
    pod = node.pod("runs").running()
    before = pod.identity
    for _ in range(3):
        node.kubelet.restart(end)
        node.counts_all(f"kubelet ended by {end.name} and started")
        assert pod.identity == before
    node.pod("new").running()


@pytest.mark.core(per="hca", end=TERM)
@either_end
def test_the_plugin_restarts(node: Node, end: signal.Signals) -> None:
    pod = node.pod("runs").running()
    before = pod.identity
    for _ in range(3):
        code = node.plugin.end(end)
        assert code == (0 if end == TERM else -KILL)
        node.counts(0, f"the plugin ended by {end.name}")
        node.start_plugin()
        node.counts_all("the plugin started")
        assert pod.identity == before
    node.pod("new").running()


@pytest.mark.parametrize("per", ["hca"], indirect=True, scope="session")
def test_kubelet_restarts_fifty_times_as_fast_as_it_can(node: Node) -> None:
    """Every second time with SIGKILL, and at any point of the plugin's registration."""
    pod = node.pod("runs").running()
    before = pod.identity
    for number in range(50):
        node.kubelet.restart(KILL if number % 2 else TERM)
        if number % 5 == 0:  # it runs, and the plugin may be registering just now
            node.kubelet.count(NAME)
    node.counts_all("the last of fifty restarts")
    assert pod.identity == before
    node.pod("new").running()
    assert node.plugin.runs


@pytest.mark.core(per="hca")
def test_a_container_restarts_while_the_plugin_is_away(node: Node) -> None:
    """kubelet has the allocation in its checkpoint, and does not call Allocate."""
    pod = node.pod("runs").running()
    container, allocation = pod.identity
    seen = pod.sight()
    node.plugin.end()
    node.counts(0, "the plugin ended")
    kill_container(container)
    wait_until(pod.container, lambda now: now != container)
    assert pod.allocation == allocation
    assert pod.sight() == seen
    node.start_plugin()
    node.counts_all("the plugin started")


@either_end
def test_kubelet_restarts_while_the_plugin_is_away(node: Node, end: signal.Signals) -> None:
    pod = node.pod("runs").running()
    before = pod.identity
    node.plugin.end()
    node.counts(0, "the plugin ended")
    node.kubelet.restart(end)
    assert node.kubelet.count(NAME) == 0
    node.start_plugin()
    node.counts_all("the plugin started after kubelet")
    assert pod.identity == before


def test_the_plugin_is_there_before_kubelet(node: Node) -> None:
    pod = node.pod("runs").running()
    before = pod.identity
    node.kubelet.stop()
    node.plugin.end()
    node.start_plugin()
    wait_until(lambda: node.plugin.said, lambda said: "slots healthy" in said)
    node.kubelet.start()
    node.counts_all("kubelet started after the plugin")
    assert pod.identity == before
