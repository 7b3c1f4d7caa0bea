"""A newer plugin replaces an older one under running pods, as in a rolling update."""

import signal

import pytest

from rdma_dp.kubelet.registration.handover import MOST_STREAMS
from tests.heavy.node.alone.conftest import NodeOf
from tests.heavy.node.node import Node, Setting
from tests.heavy.node.process import Process, wait_until

TERM, KILL = signal.SIGTERM, signal.SIGKILL


def with_newer(node: Node) -> tuple[Process, Process]:
    """The plugin that ran, and a second one that has registered too."""
    older, newer = node.plugin, node.start_plugin()
    wait_until(lambda: newer.said, lambda said: "registered with kubelet" in said)
    node.admits("between")
    return older, newer


@pytest.mark.core(per="hca", which="older")
@pytest.mark.parametrize("which", ["older", "newer"])
def test_one_of_two_ends_and_the_count_never_falls(node: Node, which: str) -> None:
    pod = node.pod("runs").running()
    before, drops = pod.identity, node.kubelet.drops
    both = with_newer(node)
    ends, stays = both if which == "older" else both[::-1]
    registrations = node.kubelet.registrations
    ends.end(TERM)
    # otherwise kubelet calls the newer one until the older one registers again
    if which == "older":
        assert node.pod("meanwhile").settled()["phase"] == "Running"
    node.registered(registrations + 1, f"the {which} ended, the other registered once more")
    assert node.pod("new").settled()["phase"] == "Running"
    assert node.kubelet.drops == drops
    assert pod.identity == before
    stays.end(KILL)
    node.counts(0, "the one that stayed killed")
    assert node.kubelet.drops == drops + 1
    node.start_plugin()
    node.counts_all("another one started")
    assert pod.identity == before


def test_after_it_a_new_kubelet_finds_the_one_that_stayed(node: Node) -> None:
    pod = node.pod("runs").running()
    before = pod.identity
    older, _ = with_newer(node)
    registrations = node.kubelet.registrations
    older.end(TERM)
    node.registered(registrations + 1, "the newer plugin registered once more")
    for end in (TERM, KILL):
        node.kubelet.restart(end)
        node.counts_all(f"kubelet restarted by {end.name}")
    node.admits("new")
    assert pod.identity == before


def test_both_end_at_once_and_kubelet_counts_nothing(node: Node) -> None:
    both = with_newer(node)
    for each in both:
        each.send(TERM)
    assert [each.ended() for each in both] == [0, 0]
    node.counts(0, "both plugins ended at once")
    node.start_plugin()
    node.counts_all("another one started")


@pytest.mark.parametrize("which", ["older", "newer"])
def test_one_of_two_is_killed_and_the_other_makes_it_good(node: Node, which: str) -> None:
    pod = node.pod("runs").running()
    before = pod.identity
    older, newer = with_newer(node)
    killed, stays = (older, newer) if which == "older" else (newer, older)
    killed.end(KILL)
    node.counts_all(f"the {which} plugin killed")
    node.admits("new")
    assert pod.identity == before
    assert stays.runs


def test_after_many_replacements_the_count_has_never_fallen(node_of: NodeOf) -> None:
    """The one that stays registers once more each time, and ends its older streams in between."""
    node = node_of(Setting("device-plugins", "resource"))
    pod = node.pod("runs").running()
    before, drops, stays = pod.identity, node.kubelet.drops, node.plugin
    for _ in range(MOST_STREAMS + 1):
        newer = node.start_plugin()
        wait_until(lambda: newer.said, lambda said: "registered with kubelet" in said)  # noqa: B023
        registrations = node.kubelet.registrations
        newer.end(TERM)
        node.registered(registrations + 1, "the newer ended, the other registered once more")
    assert node.kubelet.drops == drops
    assert pod.identity == before
    assert node.pod("new").settled()["phase"] == "Running"
    stays.end(KILL)
    node.counts(0, "the one that stayed killed")
    assert node.kubelet.drops == drops + 1
    node.start_plugin()
    node.counts_all("another one started")
