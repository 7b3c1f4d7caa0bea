"""What real Network Operators make: their CRDs, and the DaemonSets that they rendered.

These files are recorded outside this repository, in ../shared/operator. Without them, all tests
here are skipped.
"""

import copy
import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.heavy.node.cluster import api
from tests.heavy.node.cluster.cluster import DEPLOY, WRITTEN, Cluster
from tests.heavy.node.process import wait_until
from tests.paths import CONFIGS, REPO

RECORDED = REPO.parent / "shared" / "operator"
RELEASES = ("25.7", "26.7")
GUIDES = ("seed-ifnames.json", "seed-device-ids.json")  # the two configs of the operator's guides
NAMESPACE = "nvidia-network-operator"
NAME = "rdma-shared-dp-ds"
POLICY = "/apis/mellanox.com/v1alpha1/nicclusterpolicies/nic-cluster-policy"
CONFIG = yaml.safe_load((DEPLOY / "network-operator" / "nic-cluster-policy.yaml").read_text())[
    "spec"
]["rdmaSharedDevicePlugin"]["config"]

pytestmark = pytest.mark.skipif(
    not RECORDED.is_dir(), reason="the operator's CRDs and DaemonSets (../shared) are not here"
)

each_release = pytest.mark.parametrize("release", RELEASES)


# --- its CRDs -----------------------------------------------------------------------------------


@pytest.fixture(params=RELEASES)
def with_crds(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    crds = RECORDED / f"crds-{request.param}"
    cluster.kubectl("apply", "--server-side", "-f", crds)
    cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=90s")
    yield cluster
    cluster.kubectl("delete", "crd", "--all")


def policy(config: str, **more: Any) -> str:
    plugin = {"image": "k8s-rdma-shared-dev-plugin", "repository": "example.org/mellanox"}
    spec = {"rdmaSharedDevicePlugin": {**plugin, "version": "v1.5.3", "config": config}, **more}
    made = {"apiVersion": "mellanox.com/v1alpha1", "kind": "NicClusterPolicy", "spec": spec}
    return json.dumps({**made, "metadata": {"name": "nic-cluster-policy"}})


def test_they_accept_all_of_ours(with_crds: Cluster) -> None:
    strict = ("--dry-run=server", "--validate=strict")
    said = with_crds.kubectl("apply", *strict, "-f", DEPLOY / "network-operator")
    assert said.count("created") == 5
    for guide in GUIDES:
        config = (CONFIGS / guide).read_text()
        with_crds.kubectl("apply", *strict, "-f", "-", stdin=policy(config))


def test_the_documented_patch_changes_the_plugin_alone(with_crds: Cluster) -> None:
    more = {"tolerations": [{"key": "example.org/gpu", "operator": "Exists"}]}
    with_crds.kubectl("apply", "-f", "-", stdin=policy((CONFIGS / GUIDES[0]).read_text(), **more))
    before = (api.get(POLICY) or {})["spec"]
    text = (REPO / "docs" / "install.md").read_text()
    (command,) = re.findall(r"^kubectl patch nicclusterpolicy .*$", text, re.MULTILINE)
    with_crds.run(*shlex.split(command))
    found = (api.get(POLICY) or {})["spec"]
    wanted = yaml.safe_load((DEPLOY / "network-operator" / "nic-cluster-policy.yaml").read_text())
    (key,) = wanted["spec"]
    assert found == {**before, key: {**before[key], **wanted["spec"][key]}}


# --- its DaemonSets -----------------------------------------------------------------------------


@pytest.fixture
def operated(cluster: Cluster) -> Cluster:
    """A node that the operator has labelled, and its namespace."""
    cluster.namespace(NAMESPACE)
    driver_is_loading(cluster, "false")
    return cluster


def driver_is_loading(cluster: Cluster, value: str) -> None:
    """The operator's label: the DaemonSet's pods run only where it is "false"."""
    label = f"network.nvidia.com/operator.mofed.wait={value}"
    cluster.kubectl("label", "node", "node", label, "--overwrite")


def recorded(name: str) -> Any:
    """An object that an operator made, without what belongs to the cluster of that time."""
    made = yaml.safe_load((RECORDED / "rendered" / name).read_text())
    made.pop("status", None)
    kept = ("name", "namespace", "labels")
    made["metadata"] = {key: made["metadata"][key] for key in kept if key in made["metadata"]}
    return made


def pod_spec(daemon_set: Any) -> Any:
    return daemon_set["spec"]["template"]["spec"]


def apply(cluster: Cluster, release: str, daemon_set: Any) -> None:
    """The DaemonSet with its own image, which is ours under that name, and our config."""
    (image,) = {each["image"] for each in containers(daemon_set)}
    cluster.retag(image)
    config_map = recorded(f"{release}-configmap.yaml")
    config_map["metadata"]["labels"]["made"] = "by-a-test"
    config_map["data"]["config.json"] = CONFIG
    cluster.make(config_map, daemon_set)


def containers(daemon_set: Any) -> list[Any]:
    pod = pod_spec(daemon_set)
    return [*pod.get("initContainers", []), *pod["containers"]]


def serves(cluster: Cluster, after: str) -> None:
    cluster.counts(63, after)
    sight = cluster.pod("one", 1).running().sight()
    assert sight.nodes.keys() == sight.usable == cluster.nodes


@each_release
def test_the_pool(operated: Cluster, release: str) -> None:
    apply(operated, release, recorded(f"{release}-daemonset.yaml"))
    serves(operated, f"the DaemonSet of {release}")
    assert not WRITTEN[0].exists()


@each_release
def test_cdi(operated: Cluster, release: str) -> None:
    apply(operated, release, recorded(f"{release}-daemonset-cdi.yaml"))
    serves(operated, f"the DaemonSet of {release} with useCdi")
    kinds = {json.loads(spec.read_text())["kind"] for spec in WRITTEN[0].iterdir()}
    assert kinds == {"rdma-dp/rdma_rdma_shared_device_a", "nvidia.com/net-rdma"}


def test_an_image_by_digest(operated: Cluster) -> None:
    daemon_set = recorded("26.7-daemonset.yaml")
    for each in containers(daemon_set):
        each["image"] = f"{each['image'].rpartition(':')[0]}@{operated.digest()}"
    apply(operated, "26.7", daemon_set)
    serves(operated, "the image by its digest")


@contextmanager
def another_root() -> Iterator[Path]:
    """A second path of kubelet's root directory."""
    root = Path("/var/lib/other/kubelet")
    root.mkdir(parents=True)
    subprocess.run(("mount", "--rbind", "/var/lib/kubelet", root), check=True)
    try:
        yield root
    finally:
        subprocess.run(("umount", "--recursive", "--lazy", root), check=True)
        root.rmdir()


def test_another_kubelet_root(operated: Cluster) -> None:
    """As a newer operator does with operator.kubeletRootDir."""
    daemon_set = recorded("26.7-daemonset.yaml")
    with another_root() as root:
        text = json.dumps(pod_spec(daemon_set)).replace("/var/lib/kubelet", str(root))
        daemon_set["spec"]["template"]["spec"] = json.loads(text)
        (container,) = pod_spec(daemon_set)["containers"]
        container["args"] = ["--kubelet-root-dir", str(root)]
        apply(operated, "26.7", daemon_set)
        serves(operated, "kubelet with another root directory")
        operated.tidy()


@each_release
def test_pods_come_and_go_while_the_driver_loads(operated: Cluster, release: str) -> None:
    """A new policy with a driver: the pod starts, and is deleted some milliseconds later."""
    daemon_set = recorded(f"{release}-daemonset.yaml")
    apply(operated, release, copy.deepcopy(daemon_set))
    lost = 0
    for moment in (exists, has_started, has_started, exists, has_started):
        driver_is_loading(operated, "false")
        pod = wait_until(lambda moment=moment: moment(operated))  # type: ignore[misc]
        driver_is_loading(operated, "true")
        operated.wait("the pod is gone", lambda: operated.daemon_pods(NAMESPACE), lambda p: not p)
        assert pod
        lost += 137 in exit_codes(operated, pod["metadata"]["uid"])
    # The kernel discards a signal that comes within the first 0.3 ms, before tini can block it.
    assert lost <= 1
    assert operated.allocatable() in (None, "0")
    driver_is_loading(operated, "false")
    serves(operated, "the driver is loaded")
    driver_is_loading(operated, "true")
    operated.counts(0, "the driver is loaded again")
    driver_is_loading(operated, "false")
    operated.counts(63, "the driver is loaded")


def exists(cluster: Cluster) -> api.Object | None:
    return next(iter(cluster.daemon_pods(NAMESPACE)), None)


def has_started(cluster: Cluster) -> api.Object | None:
    """The pod, when its container runs."""
    pod = exists(cluster)
    states = [each["state"] for each in (pod or {}).get("status", {}).get("containerStatuses", [])]
    return pod if any("running" in state for state in states) else None


def exit_codes(cluster: Cluster, uid: str) -> list[int]:
    """Of the pod's containers that kubelet saw end (pkg/kubelet/pleg/generic.go)."""
    assert cluster.kubelet.process is not None
    finished = rf'container finished" podID="{uid}" .*exitCode=(\d+)'
    return [int(code) for code in re.findall(finished, cluster.kubelet.process.said)]
