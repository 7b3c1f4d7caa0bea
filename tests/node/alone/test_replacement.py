"""A newer plugin takes an older one's place, as a DaemonSet rolls, under pods that run."""

import signal

import pytest

from tests.node.node import Node
from tests.node.process import wait_until

TERM, KILL = signal.SIGTERM, signal.SIGKILL


@pytest.mark.parametrize("end", [TERM, KILL], ids=["TERM", "KILL"])
def test_the_older_ends_once_the_newer_runs(node: Node, end: signal.Signals) -> None:
    pod = node.pod("runs").running()
    before = pod.identity
    older = node.plugin
    newer = node.start_plugin()
    wait_until(lambda: newer.said, lambda said: "registered" in said)
    node.admits("between")
    older.end(end)
    node.counts_all(f"the older plugin ended by {end.name}")
    node.admits("new")
    assert pod.identity == before
    node.kubelet.restart()
    node.counts_all("kubelet restarted")
    assert pod.identity == before


def test_the_newer_ends_and_the_older_is_left(node: Node) -> None:
    pod = node.pod("runs").running()
    before = pod.identity
    older = node.plugin
    newer = node.start_plugin()
    wait_until(lambda: newer.said, lambda said: "registered" in said)
    newer.end(KILL)
    node.counts_all("the newer plugin killed")
    node.admits("new")
    assert pod.identity == before
    assert older.runs
