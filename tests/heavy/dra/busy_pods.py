"""Pods that come and go the whole time, while something happens to the driver."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.heavy.dra.claim_pods import (
    PODS,
    ClaimPod,
    Given,
    Object,
    of_all,
    of_hcas,
    only,
    request,
    template,
)
from tests.heavy.dra.dra_cluster import DraCluster
from tests.heavy.node.cluster import api
from tests.heavy.node.process import wait_until

_HCAS = ("mlx5_4", "mlx5_9")


class _Line:
    """Makes one pod after the other. Each must run and see its HCAs, and no others.

    `right` counts the pods that did. `wrong` describes the first one that did not.
    """

    def __init__(
        self, cluster: DraCluster, name: str, made: Callable[[ClaimPod, int], tuple[Object, Given]]
    ) -> None:
        self.right = 0
        self.wrong: list[str] = []
        self._cluster = cluster
        self._name = name
        self._made = made
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            pod = ClaimPod(self._cluster, f"{self._name}-{self.right}")
            try:
                self._one(pod)
            except (AssertionError, OSError) as error:
                self.wrong.append(f"{pod.name}: {error}")
                return
            self.right += 1

    def _one(self, pod: ClaimPod) -> None:
        manifest, expected = self._made(pod, self.right)
        api.post(PODS, manifest)
        wait_until(lambda: pod.status.get("phase"), "Running".__eq__, pause=0.1)
        found = pod.given()
        assert found == expected, f"it has {found}"
        pod.delete_soon()

    def end(self) -> None:
        self._stop.set()
        self._thread.join()


class BusyPods:
    """Pods with claims, for one HCA and then for the next, and pods with the old limit."""

    def __init__(self, cluster: DraCluster) -> None:
        self._cluster = cluster
        for hca in _HCAS:
            template(cluster, hca.replace("_", "-"), [request("hca", selectors=only(hca))])
        self._lines = (
            _Line(cluster, "busy-claim", self._with_claim),
            _Line(cluster, "busy-limit", self._with_limit),
        )

    def _with_claim(self, pod: ClaimPod, number: int) -> tuple[Object, Given]:
        hca = _HCAS[number % len(_HCAS)]
        return pod.with_template(hca.replace("_", "-")), of_hcas(self._cluster, hca)

    def _with_limit(self, pod: ClaimPod, _: int) -> tuple[Object, Given]:
        return pod.with_limit(1), of_all(self._cluster)

    @property
    def right(self) -> int:
        return sum(line.right for line in self._lines)

    @property
    def wrong(self) -> list[str]:
        return [each for line in self._lines for each in line.wrong]

    def more(self, count: int, after: str) -> None:
        """Wait until this many further pods of each kind were right. Fails if one was not.

        The first of them may have begun before this call.
        """
        goals = [(line, line.right + count) for line in self._lines]
        self._cluster.wait(
            f"{count} more pods of each kind, {after}",
            lambda: self.wrong or all(line.right >= goal for line, goal in goals),
        )
        assert not self.wrong

    def end(self) -> None:
        for line in self._lines:
            line.end()


@contextmanager
def busy_pods(cluster: DraCluster) -> Iterator[BusyPods]:
    """Pods are made while the block runs, and deleted.

    Fails if one was lost or had a wrong HCA, or if a claim of them is held afterwards.
    """
    before = {claim["metadata"]["uid"] for claim in cluster.claims()}
    pods = BusyPods(cluster)
    try:
        yield pods
    finally:
        pods.end()
    assert not pods.wrong
    cluster.figures.append(("pods made meanwhile", pods.right))
    cluster.released(but=before)
