"""Metrics of queue pairs: pods that own some, one that owns none, and a process without a slot."""

import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.heavy.node import private
from tests.heavy.node.process import wait_until
from tests.heavy.vm.inside.fabric import FABRIC_A, FABRIC_B, STORAGE
from tests.heavy.vm.inside.verbs import Here, Runner
from tests.heavy.vm.node import parts
from tests.heavy.vm.node.node import PER_HCA, SHARED, Node
from tests.heavy.vm.node.shell import Shell
from tests.integration.daemon.scraping import Samples

Counts = dict[tuple[str, ...], float | None]

PAGE = f"http://{parts.METRICS[0]}:{parts.METRICS[1]}/metrics"


@pytest.fixture
def node(bare_node: Node) -> Node:
    """With the chart's plugin, which serves metrics of queue pairs."""
    bare_node.run_plugin(parts.CHART)
    return bare_node


def counts(name: str, *by: str) -> Counts:
    """The values of a metric by these labels, in a scrape of now."""
    try:
        with urllib.request.urlopen(PAGE, timeout=60) as answer:
            samples = Samples(answer.read().decode())
    except OSError:  # the plugin does not listen yet
        return {}
    return {
        tuple(labels[label] for label in by): samples.get(name, **labels)
        for labels in samples.labels(name)
    }


def pods() -> Counts:
    return counts("pod_queue_pairs", "pod", "device")


def foreign() -> Counts:
    return counts("foreign_queue_pairs", "device")


@contextmanager
def queue_pair(where: Runner, hca: str) -> Iterator[None]:
    """A process owns one queue pair of the HCA: a server, for which there is no client."""
    with where.start("ibv_rc_pingpong", "--gid-idx", "0", "--ib-dev", hca):
        try:
            yield
        finally:
            # Not the process that was started: for a pod that is only the client of containerd.
            ended = where.run("/bin/busybox", "killall", "ibv_rc_pingpong")
        assert ended.returncode == 0, ended.stderr


def test_a_pod_with_queue_pairs_and_one_without_are_told_apart(node: Node) -> None:
    user, idle = (node.pod(name, PER_HCA).running() for name in ("user", "idle"))
    names = [f"{pod.name}-{private.NODE}" for pod in (user, idle)]

    def owned(by_user: int) -> Counts:
        return {(name, FABRIC_B.name): n for name, n in zip(names, (by_user, 0), strict=True)}

    wait_until(pods, lambda found: found == owned(0))
    with queue_pair(Shell(user), FABRIC_B.name):
        wait_until(pods, lambda found: found == owned(1))
        assert foreign() == {(hca.name,): 0 for hca in (STORAGE, FABRIC_A, FABRIC_B)}
    wait_until(pods, lambda found: found == owned(0))


def test_a_process_without_a_slot_is_foreign(node: Node) -> None:
    holder = node.pod("holder", SHARED).running()
    none = {(hca.name,): 0 for hca in (STORAGE, FABRIC_A, FABRIC_B)}
    with queue_pair(Here(), FABRIC_A.name):
        wait_until(foreign, lambda found: found == {**none, (FABRIC_A.name,): 1})
        name = f"{holder.name}-{private.NODE}"
        assert pods() == {(name, hca.name): 0 for hca in (STORAGE, FABRIC_A)}
    wait_until(foreign, lambda found: found == none)
