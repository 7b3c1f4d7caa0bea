"""Metrics and probes on a real node: one truth through an update, and slots as they are in use."""

import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.heavy.node.cluster.cluster import NAME, Cluster
from tests.integration.daemon.scraping import Samples

HELM = (
    *("helm", "upgrade", "--install", "rdma-dp", "deploy/helm/rdma-dp"),
    *("--namespace", "kube-system", "--set", "metrics.enabled=true"),
    *("--set", "config.metrics.pods=allocations", "--set", "config.metrics.minInterval=1"),
)
PAUSE = 0.2  # seconds between two scrapes


@pytest.fixture
def monitored(cluster: Cluster) -> Cluster:
    cluster.run(*HELM)
    cluster.counts(63, "the chart with metrics installed")
    cluster.rolled_out()
    return cluster


def scraped(cluster: Cluster) -> Samples | None:
    """The samples at the node's own address; None while no pod has the port."""
    address = cluster.daemon_pods()[0]["status"]["hostIP"]
    try:
        with urllib.request.urlopen(f"http://{address}:8765/metrics", timeout=30) as answer:
            return Samples(answer.read().decode())
    except OSError:
        return None


def in_use(cluster: Cluster) -> float | None:
    samples = scraped(cluster)
    return samples.get("slots_in_use", resource=NAME) if samples else None


def shows(cluster: Cluster, slots: int, after: str) -> None:
    cluster.wait(f"{after}: {slots} in use", lambda: in_use(cluster), lambda found: found == slots)


@contextmanager
def starts(cluster: Cluster) -> Iterator[list[float]]:
    """When the process that answers a scrape was started, for each scrape within the block."""
    found: list[float] = []
    over = threading.Event()

    def scrape() -> None:
        while not over.wait(PAUSE):
            samples = scraped(cluster)
            if samples is not None:
                key = ("process_start_time_seconds", frozenset[tuple[str, str]]())
                found.append(samples.numbers[key])

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


def test_slots_in_use_are_what_the_scheduler_placed(monitored: Cluster) -> None:
    """Through 63 pods, a restart of kubelet and an update of the daemon."""
    pods = monitored.pods_of_one_slot(63)
    shows(monitored, 63, "63 pods run")
    monitored.kubelet.restart()
    shows(monitored, 63, "kubelet restarted")
    with starts(monitored) as answered:
        monitored.kubectl("-n", "kube-system", "rollout", "restart", "ds/rdma-dp")
        monitored.rolled_out()
        monitored.wait("one pod is left", monitored.daemon_pods, lambda found: len(found) == 1)
        shows(monitored, 63, "the daemon updated")
    # First the old process alone, then the new one alone: never the two by turns.
    assert answered == sorted(answered)
    assert len({*answered}) == 2
    for pod in pods[:60]:
        pod.delete()
    shows(monitored, 3, "60 pods gone")


def test_a_pod_is_ready_only_when_kubelet_has_its_resource(monitored: Cluster) -> None:
    """Both probes answer in the pod, and kubelet restarted nothing."""
    monitored.rolled_out()
    (pod,) = monitored.daemon_pods()
    name = pod["metadata"]["name"]
    words = ("-n", "kube-system", "exec", name, "--", "/bin/rdma-dp-probe")
    assert monitored.kubectl(*words, "live") == monitored.kubectl(*words, "ready") == ""
    (status,) = pod["status"]["containerStatuses"]
    assert (status["ready"], status["started"], status["restartCount"]) == (True, True, 0)
