"""kubelet and our driver end and come back, while pods are made the whole time.

No pod is lost, none has a wrong HCA. `tidy` checks after each test that no claim is left.
"""

import signal
import time
from collections.abc import Callable, Collection

from tests.heavy.dra import audit
from tests.heavy.dra.busy_pods import busy_pods
from tests.heavy.dra.claim_pods import only, request, start, start_all, template
from tests.heavy.dra.dra_cluster import DraCluster
from tests.heavy.node.process import wait_until

_PODS, _KILLS = 20, 3


def test_kubelet_restarts(cluster: DraCluster) -> None:
    """kubelet deletes all slices of its node when it starts. Ours come back."""
    source = template(cluster, "one", [request("hca", selectors=only("mlx5_4"))])
    pod = start(cluster, "one", source).running()
    before, devices = pod.identity, cluster.devices()
    begun = time.time()
    cluster.kubelet.restart()
    cluster.wait("kubelet deletes the slices", lambda: back_after(begun) is not None)
    cluster.figures.append(("from the deletion to the new slice", back_after(begun)))
    cluster.wait("the devices are back", cluster.devices, lambda found: found == devices)
    assert start(cluster, "two", source).running().hcas() == {"mlx5_4"}
    assert pod.identity == before


def writes(since: float) -> list[audit.Call]:
    """The writes of our driver."""
    return [each for each in audit.ours(since) if each.verb in ("create", "update", "delete")]


def back_after(since: float) -> float | None:
    """Seconds from kubelet's deletion of the slices to our next create. None: not yet."""
    calls = audit.calls(since)
    deleted = [each.at for each in calls if not each.ours and each.verb.startswith("delete")]
    made = [each.at for each in calls if each.ours and each.verb == "create"]
    after = [at - deleted[-1] for at in made if deleted and at > deleted[-1]]
    return after[0] if after else None


def test_the_driver_ends_and_is_killed(cluster: DraCluster) -> None:
    begun = time.time()
    with busy_pods(cluster) as pods:
        pods.more(1, "a pod before")
        for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGKILL, signal.SIGTERM):
            restarts = cluster.restarts()
            cluster.kill(number)
            wait_until(cluster.restarts, restarts.__lt__)
            pods.more(1, f"a pod after {number.name}")
    # kubelet deletes the slices of a driver that is away for 30 seconds.
    assert back_after(begun) or not writes(begun)


def test_the_driver_is_killed_while_it_prepares(cluster: DraCluster) -> None:
    """Many pods at once, and the driver is killed three times before all of them run."""
    source = template(cluster, "two", [request("hca", selectors=only("mlx5_9"))])
    pods = start_all(cluster, [f"pod-{number}" for number in range(_PODS)], source)
    for kill in range(_KILLS):
        some = kill * _PODS // (_KILLS + 1)
        cluster.wait(f"more than {some} are prepared", cluster.prepared, more_than(some))
        cluster.kill()
    assert [pod.running().hcas() for pod in pods] == [{"mlx5_9"}] * _PODS


def more_than(count: int) -> Callable[[Collection[str]], bool]:
    return lambda found: len(found) > count


def test_kubelet_restarts_while_pods_are_made(cluster: DraCluster) -> None:
    with busy_pods(cluster) as pods:
        pods.more(1, "a pod before")
        for number in (signal.SIGTERM, signal.SIGKILL):
            cluster.kubelet.restart(number)
            pods.more(2, f"2 pods after {number.name} to kubelet")


def test_an_update(cluster: DraCluster) -> None:
    """Both instances serve kubelet for a while, and the devices stay published."""
    cluster.kubectl("-n", "kube-system", "rollout", "status", "ds/rdma-dp")
    (old,) = cluster.drivers()
    cluster.retag("rdma-dp:next")
    begun = time.time()
    with busy_pods(cluster) as pods:
        pods.more(1, "a pod before")
        cluster.kubectl("-n", "kube-system", "set", "image", "ds/rdma-dp", "rdma-dp=rdma-dp:next")
        cluster.wait("both run", cluster.drivers, lambda found: len(found) == 2)
        pods.more(1, "a pod with two instances")
        cluster.wait("the old one is gone", cluster.drivers, lambda found: len(found) == 1)
        pods.more(2, "2 pods after")
    (new,) = cluster.drivers()
    assert new["metadata"]["uid"] != old["metadata"]["uid"]
    assert not writes(begun)
