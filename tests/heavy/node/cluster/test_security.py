"""The base without one of the things in docs/security.md: what fails."""

from typing import Any

import pytest
import yaml

from tests.heavy.node.cluster.cluster import DEPLOY, Cluster

Object = dict[str, Any]
UNPRIVILEGED = {"runAsUser": 65534}


def base() -> tuple[Object, Object]:
    config_map, daemon_set = yaml.safe_load_all((DEPLOY / "base" / "daemonset.yaml").read_text())
    return config_map, daemon_set


def pod_of(daemon_set: Object) -> Object:
    found: Object = daemon_set["spec"]["template"]["spec"]
    return found


def apply(cluster: Cluster, *objects: Object) -> None:
    cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(objects))


def without_mount(name: str, *arguments: str) -> Object:
    """The DaemonSet without a volume, with more arguments."""
    _, daemon_set = base()
    (container,) = pod_of(daemon_set)["containers"]
    mounts = container["volumeMounts"]
    container["volumeMounts"] = [mount for mount in mounts if mount["name"] != name]
    assert len(container["volumeMounts"]) == len(mounts) - 1
    container["args"] += arguments
    return daemon_set


def test_with_a_read_only_root_and_no_capability(cluster: Cluster) -> None:
    apply(cluster, *base())
    cluster.counts(63, "deploy/base applied")
    ask = ("-n", "kube-system", "exec", "ds/rdma-dp", "--")
    status = cluster.kubectl(*ask, "grep", "-E", "^Cap|NoNewPrivs|Seccomp:", "/proc/self/status")
    words = dict(line.split(":\t") for line in status.splitlines())
    kinds = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
    assert [int(words[kind], 16) for kind in kinds] == [0] * len(kinds)
    assert (words["NoNewPrivs"].strip(), words["Seccomp"].strip()) == ("1", "2")
    wrote = "for d in / /etc /opt /sys; do touch $d/x 2>/dev/null && echo $d; done; true"
    assert cluster.kubectl(*ask, "sh", "-c", wrote) == ""


def test_another_user_cannot_register(cluster: Cluster) -> None:
    config_map, daemon_set = base()
    (container,) = pod_of(daemon_set)["containers"]
    container["securityContext"] |= UNPRIVILEGED
    apply(cluster, config_map, daemon_set)
    cluster.says("cannot make the socket")
    assert cluster.allocatable() in (None, "0")


def test_without_dev_no_hca_can_be_shared(cluster: Cluster) -> None:
    apply(cluster, base()[0], without_mount("dev"))
    cluster.says("/dev/infiniband/uverbs0 is missing")
    assert cluster.allocatable() in (None, "0")


@pytest.mark.parametrize("name", ["device-plugins", "plugins-registry"])
def test_one_way_to_register_is_enough(cluster: Cluster, name: str) -> None:
    apply(cluster, base()[0], without_mount(name))
    cluster.counts(63, f"without {name}")


def test_without_the_cdi_directory_the_slots_stay_unhealthy(cluster: Cluster) -> None:
    config_map, daemon_set = base()
    (container,) = pod_of(daemon_set)["containers"]
    container["args"] += ["--use-cdi"]
    apply(cluster, config_map, daemon_set)
    cluster.says("cannot use /var/run/cdi: Read-only file system (mount the directory writable)")
    assert cluster.allocatable() in (None, "0")


def test_without_its_config_map_no_container_is_made(cluster: Cluster) -> None:
    config_map, daemon_set = base()
    apply(cluster, daemon_set)
    events = ("-n", "kube-system", "get", "events", "-o", "json")
    cluster.wait(
        "kubelet says so",
        lambda: cluster.kubectl(*events),
        lambda said: 'configmap \\"rdma-dp\\" not found' in said,
    )
    apply(cluster, config_map)
    cluster.counts(63, "the ConfigMap applied")
