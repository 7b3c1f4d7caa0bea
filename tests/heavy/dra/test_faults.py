"""kubelet and our driver end and come back, while pods are made the whole time.

No pod is lost, none has a wrong HCA. `tidy` checks after each test that no claim is left.
"""

import os
import re
import signal
import time
from collections.abc import Callable, Collection

from tests.heavy.dra import audit
from tests.heavy.dra.busy_pods import busy_pods
from tests.heavy.dra.claim_pods import of_hcas, only, request, start, start_all, template
from tests.heavy.dra.dra_cluster import SPECS, DraCluster
from tests.heavy.node.cluster import api
from tests.heavy.node.cluster.control_plane import ControlPlane
from tests.heavy.node.containerd import kill_container, running
from tests.heavy.node.process import wait_until

_PODS, _KILLS = 12, 2


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


def test_the_api_server_is_away(cluster: DraCluster, control_plane: ControlPlane) -> None:
    """A claim that is prepared goes on: its container starts again, beside a driver that did."""
    source = template(cluster, "one", [request("hca", selectors=only("mlx5_4"))])
    pod = start(cluster, "one", source).running()
    restarts, driver = cluster.restarts(), cluster.pid()
    (container,) = pod.status["containerStatuses"]
    before = pod.given()
    with control_plane.api_server_away():
        os.kill(driver, signal.SIGKILL)
        kill_container(container["containerID"])
        wait_until(pod.logs, lambda found: len(found) == 2)
        assert pod.given() == before == of_hcas(cluster, "mlx5_4")
    wait_until(cluster.restarts, restarts.__lt__)
    cluster.settled()
    pod.delete()
    cluster.released()


def test_a_reboot(cluster: DraCluster) -> None:
    """No process is left, nor what the node has in memory. The claim is prepared once more."""
    source = template(cluster, "one", [request("hca", selectors=only("mlx5_4"))])
    pod = start(cluster, "one", source).running()
    before, held = pod.given(), cluster.prepared()
    cluster.kubelet.stop()
    for pid in running().values():
        os.kill(pid, signal.SIGKILL)
    for spec in SPECS.iterdir():
        spec.unlink()
    cluster.kubelet.start()
    cluster.wait("its container runs again", pod.logs, lambda found: len(found) == 2)
    assert pod.given() == before == of_hcas(cluster, "mlx5_4")
    assert cluster.prepared() == held
    pod.delete()
    cluster.released()


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
        pods.more(1, "before")
        for number in (signal.SIGTERM, signal.SIGKILL):
            restarts = cluster.restarts()
            cluster.kill(number)
            wait_until(cluster.restarts, restarts.__lt__)
            pods.more(1, f"after {number.name}")
    # kubelet deletes the slices of a driver that is away for 30 seconds.
    assert back_after(begun) or not writes(begun)


def test_the_driver_is_killed_while_it_prepares(cluster: DraCluster) -> None:
    """Many pods at once, and the driver is killed twice before all of them run."""
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
        pods.more(1, "before")
        for number in (signal.SIGTERM, signal.SIGKILL):
            cluster.kubelet.restart(number)
            pods.more(2, f"after {number.name} to kubelet")


def test_an_update(cluster: DraCluster) -> None:
    """Both instances serve kubelet for a while, and the devices stay published."""
    cluster.rolled_out()
    (old,) = cluster.drivers()
    source = template(cluster, "one", [request("hca", selectors=only("mlx5_10"))])
    stays, ends = (start(cluster, name, source).running() for name in ("stays", "ends"))
    before, begun = stays.identity, time.time()
    with busy_pods(cluster) as pods:
        pods.more(1, "before")
        set_image(cluster, "next")
        cluster.wait("both run", cluster.drivers, lambda found: len(found) == 2)
        pods.more(1, "with two instances")
        cluster.wait("the old one is gone", cluster.drivers, lambda found: len(found) == 1)
        pods.more(2, "afterwards")
        ends.delete()
    (new,) = cluster.drivers()
    assert new["metadata"]["uid"] != old["metadata"]["uid"]
    assert not writes(begun)
    assert has_done(cluster, new, "unprepared", "ends")
    assert stays.identity == before
    assert stays.given() == of_hcas(cluster, "mlx5_10")


def test_an_update_that_is_taken_back(cluster: DraCluster) -> None:
    """The old instance releases what the new one has prepared."""
    cluster.rolled_out()
    (old,) = cluster.drivers()
    source = template(cluster, "one", [request("hca", selectors=only("mlx5_10"))])
    begun = time.time()
    with busy_pods(cluster) as pods:
        # No instance is ready for long enough, so the old one stays.
        cluster.change(minReadySeconds=3600)
        set_image(cluster, "later")
        new = cluster.wait("both are ready", lambda: ready_beside(cluster, old))
        assert new
        pods.more(2, "with two instances")
        pod = start(cluster, "one", source).running()
        assert has_done(cluster, new, "prepared", "one")
        cluster.kubectl("-n", "kube-system", "rollout", "undo", "ds/rdma-dp")
        cluster.change(minReadySeconds=5)  # as in deploy/
        cluster.wait("the new one is gone", cluster.drivers, lambda found: len(found) == 1)
        assert pod.given() == of_hcas(cluster, "mlx5_10")
        pod.delete()
        pods.more(2, "afterwards")
    (left,) = cluster.drivers()
    assert left["metadata"]["uid"] == old["metadata"]["uid"]
    assert has_done(cluster, old, "unprepared", "one")
    assert not writes(begun)


def set_image(cluster: DraCluster, tag: str) -> None:
    """Update the DaemonSet to the same image under another name."""
    cluster.retag(f"rdma-dp:{tag}")
    cluster.kubectl("-n", "kube-system", "set", "image", "ds/rdma-dp", f"rdma-dp=rdma-dp:{tag}")


def ready_beside(cluster: DraCluster, old: api.Object) -> api.Object | None:
    """The instance that runs beside the old one, when kubelet has its registration."""
    for pod in cluster.drivers():
        (status,) = pod["status"].get("containerStatuses") or [{"ready": False}]
        if pod["metadata"]["uid"] != old["metadata"]["uid"] and status["ready"]:
            return pod
    return None


def has_done(cluster: DraCluster, driver: api.Object, verb: str, pod: str) -> bool:
    """Whether an instance has prepared or unprepared the claim of a pod, from its log."""
    log = cluster.kubectl("-n", "kube-system", "logs", driver["metadata"]["name"])
    done = re.compile(rf"claim default/{pod}-dev-\w+: {verb}")
    return done.search(log) is not None
