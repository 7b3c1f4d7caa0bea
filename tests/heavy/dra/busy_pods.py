"""Pods that come and go the whole time, while something happens to the driver."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.heavy.dra.claim_pods import ClaimPod, only, request, template
from tests.heavy.dra.dra_cluster import DraCluster
from tests.heavy.node.cluster import api
from tests.heavy.node.process import wait_until

_PODS = "/api/v1/namespaces/default/pods"
_HCAS = ("mlx5_4", "mlx5_9")


class BusyPods:
    """Makes one pod after the other, for one HCA and then for the next.

    `right` is how many ran and saw their HCA and no other. `wrong` says what else happened.
    """

    def __init__(self, cluster: DraCluster) -> None:
        self.right = 0
        self.wrong: list[str] = []
        self._cluster = cluster
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        for hca in _HCAS:
            template(cluster, hca.replace("_", "-"), [request("hca", selectors=only(hca))])

    def _run(self) -> None:
        number = 0
        while not self._stop.is_set():
            hca = _HCAS[number % len(_HCAS)]
            try:
                self._one(f"busy-{number}", hca)
                self.right += 1
            except (AssertionError, OSError) as error:
                self.wrong.append(f"busy-{number} for {hca}: {error}")
                return
            number += 1

    def _one(self, name: str, hca: str) -> None:
        pod = ClaimPod(self._cluster, name)
        api.post(_PODS, pod.with_template(hca.replace("_", "-")))
        wait_until(lambda: pod.status.get("phase"), "Running".__eq__, pause=0.1)
        found = pod.hcas()
        assert found == {hca}, f"it sees {found}"
        api.delete(f"{_PODS}/{name}")

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self._stop.set()
        self._thread.join()

    def more(self, count: int, after: str) -> None:
        """Wait until this many further pods were right, or one was not."""
        goal = self.right + count
        self._cluster.wait(after, lambda: self.right >= goal or self.wrong)


@contextmanager
def busy_pods(cluster: DraCluster) -> Iterator[BusyPods]:
    """Pods are made while the block runs. Fails if one was lost, or had a wrong HCA."""
    pods = BusyPods(cluster)
    pods.start()
    try:
        yield pods
    finally:
        pods.end()
    assert not pods.wrong
    cluster.figures.append(("pods made meanwhile", pods.right))
