"""Every manifest and every kustomization is valid, and has no more than it needs."""

from pathlib import Path

import pytest

from rdma_dp.cli.probe import DEADLINE, SOCKET
from tests.heavy.deploy.rendered import (
    DEPLOY,
    Object,
    complaints,
    config,
    container,
    kustomize,
    objects,
    of_kind,
    with_components,
)

KUSTOMIZATIONS = sorted(
    path.parent.relative_to(DEPLOY)
    for path in DEPLOY.rglob("kustomization.yaml")
    if "components" not in path.parts
)
PATCHES = sorted((DEPLOY / "dra").glob("use-*.yaml"))
PLAIN = sorted(
    path.relative_to(DEPLOY)
    for pattern in ("*.yaml", "network-operator/*.yaml", "dra/*.yaml")
    for path in DEPLOY.glob(pattern)
    if path not in PATCHES
)
TOGETHER = ("cdi", "per-hca", "openshift")

BASE_MOUNTS = {
    "/var/lib/kubelet/device-plugins",
    "/var/lib/kubelet/plugins_registry",
    "/k8s-rdma-shared-dev-plugin",
    "/dev",
    "/run/rdma-dp",
}
BASE_ARGS = ["run", "--probe-socket=/run/rdma-dp/probe.sock"]


def overlay(name: str) -> list[Object]:
    return kustomize(DEPLOY / "overlays" / name)


def mounts(found: list[Object]) -> set[str]:
    return {mount["mountPath"] for mount in container(found)["volumeMounts"]}


@pytest.mark.parametrize("directory", KUSTOMIZATIONS, ids=str)
def test_a_kustomization_makes_what_the_api_server_takes(directory: Path) -> None:
    assert complaints(kustomize(DEPLOY / directory)) == []


@pytest.mark.parametrize("file", PLAIN, ids=str)
def test_a_manifest_is_what_the_api_server_takes(file: Path) -> None:
    assert complaints(objects((DEPLOY / file).read_text())) == []


def test_the_base_can_be_applied_as_a_file_too() -> None:
    file = objects((DEPLOY / "base" / "daemonset.yaml").read_text())
    assert {each["kind"]: each for each in file} == {
        each["kind"]: each for each in kustomize(DEPLOY / "base")
    }


@pytest.mark.parametrize("directory", KUSTOMIZATIONS, ids=str)
def test_the_config_of_a_kustomization_is_good(directory: Path) -> None:
    loaded = config(kustomize(DEPLOY / directory))
    assert [r.full_name for r in loaded.config.config_list] == ["rdma/rdma_shared_device_a"]
    assert loaded.warnings == ()


def test_the_config_of_the_operators_policy_is_good() -> None:
    file = DEPLOY / "network-operator" / "nic-cluster-policy.yaml"
    (policy,) = objects(file.read_text())
    text = policy["spec"]["rdmaSharedDevicePlugin"]["config"]
    config_map = {"kind": "ConfigMap", "data": {"config.json": text}}
    assert config([config_map]).warnings == ()


def test_the_base_has_no_privilege() -> None:
    base = kustomize(DEPLOY / "base")
    pod = of_kind(base, "DaemonSet")["spec"]["template"]["spec"]
    assert container(base)["securityContext"] == {
        "runAsUser": 0,
        "privileged": False,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert pod["automountServiceAccountToken"] is False
    assert pod["serviceAccountName"] == "default"
    assert not {"hostPID", "hostIPC"} & pod.keys()
    assert mounts(base) == BASE_MOUNTS


def test_each_mount_has_its_volume_and_each_volume_its_mount() -> None:
    for directory in KUSTOMIZATIONS:
        found = kustomize(DEPLOY / directory)
        pod = of_kind(found, "DaemonSet")["spec"]["template"]["spec"]
        named = sorted(mount["name"] for mount in container(found)["volumeMounts"])
        assert named == sorted(volume["name"] for volume in pod["volumes"])


def test_the_new_pod_comes_before_the_old_one_goes() -> None:
    spec = of_kind(kustomize(DEPLOY / "base"), "DaemonSet")["spec"]
    surge = {"maxSurge": "10%", "maxUnavailable": 0}
    assert spec["updateStrategy"] == {"type": "RollingUpdate", "rollingUpdate": surge}
    assert spec["minReadySeconds"] > 0


def test_probes_ask_the_pods_own_socket_and_no_port_is_declared() -> None:
    """A declared port would be a port of the node: the second pod of an update would not fit."""
    found = container(kustomize(DEPLOY / "base"))
    socket = found["args"][1].removeprefix("--probe-socket=")
    assert socket == SOCKET  # what rdma-dp-probe asks
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert found[name]["exec"]["command"][0] == "/bin/rdma-dp-probe"
        assert found[name]["timeoutSeconds"] > DEADLINE
    assert "ports" not in found


def test_cdi_takes_a_flag_and_the_directory() -> None:
    found = overlay("cdi")
    assert container(found)["args"] == [*BASE_ARGS, "--use-cdi"]
    assert mounts(found) - BASE_MOUNTS == {"/var/run/cdi"}


def test_node_features_take_a_flag_and_the_directory_of_nfd() -> None:
    directory = "/etc/kubernetes/node-feature-discovery/features.d"
    found = overlay("node-features")
    assert container(found)["args"] == [*BASE_ARGS, f"--nfd-features={directory}"]
    assert mounts(found) - BASE_MOUNTS == {directory}


def test_slots_per_hca_take_a_config_and_the_directory_of_multus() -> None:
    found = overlay("per-hca")
    (resource,) = config(found).config.config_list
    assert resource.per_hca
    assert resource.device_info
    assert mounts(found) - BASE_MOUNTS == {"/var/run/k8s.cni.cncf.io/devinfo/dp"}


def test_privileged_changes_the_security_context_alone() -> None:
    base, found = container(kustomize(DEPLOY / "base")), container(overlay("privileged"))
    assert found["securityContext"]["privileged"] is True
    assert found == {**base, "securityContext": found["securityContext"]}


def test_openshift_allows_what_the_pod_asks_for() -> None:
    found = overlay("openshift")
    scc = of_kind(found, "SecurityContextConstraints")
    context = container(found)["securityContext"]
    pod = of_kind(found, "DaemonSet")["spec"]["template"]["spec"]
    assert scc["allowPrivilegedContainer"] is context["privileged"] is False
    assert scc["seLinuxContext"]["seLinuxOptions"] == context["seLinuxOptions"]
    # projected: components/dra
    assert {key for volume in pod["volumes"] for key in volume} - {"name"} | {"projected"} == {
        *scc["volumes"]
    }
    assert "namespace" not in scc["metadata"]
    role, binding = of_kind(found, "Role"), of_kind(found, "RoleBinding")
    (rule,) = role["rules"]
    assert rule["resourceNames"] == [scc["metadata"]["name"]]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    (subject,) = binding["subjects"]
    assert (subject["kind"], subject["name"]) == ("Group", "system:serviceaccounts:rdma-dp")
    assert {each["metadata"].get("namespace") for each in found} == {"rdma-dp", None}


def test_a_namespace_of_its_own_changes_the_namespace_alone() -> None:
    base, found = kustomize(DEPLOY / "base"), overlay("namespace")
    assert {each["metadata"].get("namespace") for each in found} == {"rdma-dp", None}
    assert container(found) == container(base)
    assert len(found) == len(base) + 1


@pytest.mark.parametrize("directory", KUSTOMIZATIONS, ids=str)
def test_a_namespace_that_is_created_allows_the_pod(directory: Path) -> None:
    """A15: hostNetwork and hostPath need the level "privileged" of Pod Security admission."""
    found = kustomize(DEPLOY / directory)
    created = {each["metadata"]["name"]: each for each in found if each["kind"] == "Namespace"}
    used = {each["metadata"]["namespace"] for each in found if "namespace" in each["metadata"]}
    assert used - {"kube-system"} == created.keys()
    for each in created.values():
        labels = each["metadata"]["labels"]
        for mode in ("enforce", "audit", "warn"):
            assert labels[f"pod-security.kubernetes.io/{mode}"] == "privileged"


@pytest.mark.parametrize("order", [TOGETHER, TOGETHER[::-1]])
def test_components_go_together(tmp_path: Path, order: tuple[str, ...]) -> None:
    found = kustomize(with_components(tmp_path, order))
    assert complaints(found) == []
    assert container(found)["args"] == [*BASE_ARGS, "--use-cdi"]
    assert config(found).config.config_list[0].per_hca
    assert of_kind(found, "ConfigMap")["metadata"]["namespace"] == "rdma-dp"


# --- the check can fail -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "broken",
    [
        ("maxSurge", "maxSurges"),
        ("readOnlyRootFilesystem: true", "readOnlyRootFileSystem: true"),
        ("minReadySeconds: 5", "minReadySeconds: five"),
        ("kind: DaemonSet", "kind: DemonSet"),
        ("type: RuntimeDefault", "typ: RuntimeDefault"),
        ("hostPath: {path: /dev, type", "hostPath: {typ"),
    ],
    ids=lambda pair: pair[1],
)
def test_a_slip_of_the_pen_is_seen(broken: tuple[str, str]) -> None:
    text = (DEPLOY / "base" / "daemonset.yaml").read_text()
    assert broken[0] in text
    assert complaints(objects(text.replace(*broken))) != []


@pytest.mark.parametrize(
    ("file", "right", "wrong"),
    [
        ("network-operator/nic-cluster-policy.yaml", "version:", "tag:"),
        ("network-operator/macvlan-network.yaml", "mode: bridge", "mode: bridged"),
        ("network-operator/ipoib-network.yaml", "master:", "parent:"),
        ("components/openshift/scc.yaml", "allowHostNetwork: true", "allowHostNetwork: maybe"),
    ],
)
def test_a_slip_in_a_custom_resource_is_seen(file: str, right: str, wrong: str) -> None:
    text = (DEPLOY / file).read_text()
    assert right in text
    assert complaints(objects(text.replace(right, wrong, 1))) != []
