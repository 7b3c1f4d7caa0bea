"""The pod that NVIDIA Network Operator makes, with our image."""

import json
from pathlib import Path

import pytest
import yaml

from tests.heavy.node.cluster.cluster import DEPLOY, WRITTEN, Cluster
from tests.heavy.node.cluster.hardware import Hardware

NAMESPACE = "nvidia-network-operator"
DAEMON_SET = Path(__file__).with_name("operator.yaml")
POLICY = yaml.safe_load((DEPLOY / "network-operator" / "nic-cluster-policy.yaml").read_text())
SPEC = POLICY["spec"]["rdmaSharedDevicePlugin"]
IMAGE = f"{SPEC['repository']}/{SPEC['image']}:{SPEC['version']}"


@pytest.fixture
def cluster(cluster: Cluster) -> Cluster:
    """With the objects that the operator makes beside the DaemonSet."""
    cluster.retag(f"docker.io/{IMAGE}")
    cluster.namespace(NAMESPACE)
    label = "network.nvidia.com/operator.mofed.wait=false"
    cluster.kubectl("label", "node", "node", label, "--overwrite")
    return cluster


def daemon_set(*arguments: str, cdi: bool = False) -> str:
    made = yaml.safe_load(DAEMON_SET.read_text().replace("IMAGE", IMAGE))
    pod = made["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    if arguments:
        container["args"] = list(arguments)
    if cdi:
        container["volumeMounts"].append({"name": "cdi", "mountPath": "/var/run/cdi"})
        place = {"path": "/var/run/cdi", "type": "DirectoryOrCreate"}
        pod["volumes"].append({"name": "cdi", "hostPath": place})
    return json.dumps(made)


def config_map(text: str) -> str:
    metadata = {"name": "rdma-devices", "namespace": NAMESPACE, "labels": {"made": "by-a-test"}}
    data = {"config.json": text}
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})


def test_it_takes_the_policys_config_word_for_word(cluster: Cluster) -> None:
    cluster.kubectl("apply", "-f", "-", stdin=config_map(SPEC["config"]))
    cluster.kubectl("apply", "-f", "-", stdin=daemon_set())
    cluster.counts(63, "the operator's DaemonSet")
    (pod,) = cluster.daemon_pods(NAMESPACE)
    assert "mlx5_core" in cluster.says("registered with kubelet", NAMESPACE)
    assert pod["status"]["initContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 0
    sight = cluster.pod("one", 1).running().sight()
    assert sight.nodes.keys() == sight.usable == cluster.nodes


def test_with_cdi(cluster: Cluster) -> None:
    cluster.kubectl("apply", "-f", "-", stdin=config_map(SPEC["config"]))
    cluster.kubectl("apply", "-f", "-", stdin=daemon_set("--use-cdi", cdi=True))
    cluster.counts(63, "the operator's DaemonSet with useCdi")
    assert list(WRITTEN[0].iterdir())
    sight = cluster.pod("one", 1).running().sight()
    assert sight.nodes.keys() == sight.usable == cluster.nodes


def test_a_config_map_that_is_empty_at_first(cluster: Cluster) -> None:
    cluster.kubectl("apply", "-f", "-", stdin=config_map(""))
    cluster.kubectl("apply", "-f", "-", stdin=daemon_set())
    cluster.says("waiting for a config", NAMESPACE)
    cluster.kubectl("apply", "-f", "-", stdin=config_map(SPEC["config"]))
    cluster.counts(63, "the config is there")


def test_the_init_container_waits_for_the_drivers(cluster: Cluster, hardware: Hardware) -> None:
    with hardware.without_module("mlx5_core"):
        cluster.kubectl("apply", "-f", "-", stdin=config_map(SPEC["config"]))
        cluster.kubectl("apply", "-f", "-", stdin=daemon_set())
        cluster.says("waiting for the drivers", NAMESPACE)
        assert cluster.allocatable() in (None, "0")
    cluster.counts(63, "the driver is loaded")
