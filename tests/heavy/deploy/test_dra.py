"""DRA in deploy/: its objects name each other, and classic mode has none of them."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from rdma_dp.api_server.credentials import SERVICE_ACCOUNT
from rdma_dp.config import Config, parse_bytes
from rdma_dp.dra.device_classes import HCA_CLASS, device_classes
from tests.heavy.deploy.rendered import (
    DEPLOY,
    Object,
    complaints,
    config,
    container,
    helm,
    kustomize,
    of_kind,
    run,
    template,
    with_components,
)
from tests.heavy.deploy.test_chart import VALUES
from tests.paths import REPO

ACCESS = {
    *("ServiceAccount", "ClusterRole", "ClusterRoleBinding", "DeviceClass"),
    *("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"),
}
COMPONENTS = [
    ("dra",),
    ("dra", "dra-claim-status"),
    ("dra", "cdi", "monitoring"),
    ("monitoring", "cdi", "dra"),
    ("dra", "namespace"),
    ("dra", "dra-claim-status", "namespace"),
    ("namespace", "dra", "dra-claim-status"),
    ("namespace", "dra"),
    ("dra", "openshift", "per-hca"),
    ("openshift", "dra", "node-features"),
    ("privileged", "dra"),
]
WRITES = {"create", "update", "patch", "delete"}
WITH_DRA = [name for name in VALUES if "dra" in name]


def values(name: str, tmp_path: Path) -> list[Object]:
    file = tmp_path / f"{name}.yaml"
    file.write_text(yaml.safe_dump(VALUES[name]))
    return helm("--values", file)


@pytest.fixture(params=[*COMPONENTS, *WITH_DRA], ids=str)
def found(request: pytest.FixtureRequest, tmp_path: Path) -> list[Object]:
    if isinstance(request.param, str):
        return values(request.param, tmp_path)
    return kustomize(with_components(tmp_path, request.param))


def pod_of(found: list[Object]) -> Object:
    return dict(of_kind(found, "DaemonSet")["spec"]["template"]["spec"])


def names(entries: list[Object], key: str = "name") -> list[str]:
    return [each[key] for each in entries]


def driver_of(found: list[Object]) -> str:
    """The name of the directory below plugins that is mounted."""
    mounts = {each["name"]: each["mountPath"] for each in container(found)["volumeMounts"]}
    return Path(mounts["dra-driver"]).name


def test_it_is_what_the_api_server_takes(found: list[Object]) -> None:
    assert complaints(found) == []


def test_nothing_is_mounted_or_set_twice(found: list[Object]) -> None:
    pod = pod_of(found)
    mounts = container(found)["volumeMounts"]
    lists = [names(pod["volumes"]), names(mounts), names(mounts, "mountPath")]
    for each in (*lists, names(container(found)["env"])):
        assert len(each) == len({*each})
    assert sorted(lists[0]) == sorted(lists[1])


def test_the_token_is_mounted_where_the_daemon_reads_it_and_by_hand(found: list[Object]) -> None:
    pod = pod_of(found)
    assert pod["automountServiceAccountToken"] is False
    assert of_kind(found, "ServiceAccount")["automountServiceAccountToken"] is False
    (mount,) = (each for each in container(found)["volumeMounts"] if each["name"] == "api-access")
    assert (mount["mountPath"], mount["readOnly"]) == (str(SERVICE_ACCOUNT), True)
    (volume,) = (each for each in pod["volumes"] if each["name"] == "api-access")
    token, certificate = volume["projected"]["sources"]
    assert token["serviceAccountToken"]["path"] == "token"
    assert token["serviceAccountToken"]["expirationSeconds"] >= 600
    assert certificate["configMap"]["name"] == "kube-root-ca.crt"


def test_role_and_policy_are_for_the_pods_own_account(found: list[Object]) -> None:
    namespace = of_kind(found, "DaemonSet")["metadata"]["namespace"]
    account = of_kind(found, "ServiceAccount")["metadata"]
    name = pod_of(found)["serviceAccountName"]
    assert (account["namespace"], account["name"]) == (namespace, name)
    binding = of_kind(found, "ClusterRoleBinding")
    assert binding["roleRef"]["name"] == of_kind(found, "ClusterRole")["metadata"]["name"]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": name, "namespace": namespace}]
    user = f"system:serviceaccount:{namespace}:{name}"
    for policy in policies(found).values():
        (condition,) = policy["matchConditions"]
        assert condition["expression"] == f"request.userInfo.username == '{user}'"
    bindings = [e["spec"] for e in found if e["kind"] == "ValidatingAdmissionPolicyBinding"]
    names_of = [e["metadata"]["name"] for e in found if e["kind"] == "ValidatingAdmissionPolicy"]
    assert bindings == [{"policyName": e, "validationActions": ["Deny"]} for e in names_of]


def test_a_right_to_write_the_status_of_claims_comes_with_its_policy(found: list[Object]) -> None:
    """Before Kubernetes 1.36, RBAC would allow the status of every claim."""
    rules = of_kind(found, "ClusterRole")["rules"]
    written = {each for rule in rules if {*rule["verbs"]} & WRITES for each in rule["resources"]}
    confined = {
        each
        for spec in policies(found).values()
        for rule in spec["matchConstraints"]["resourceRules"]
        for each in rule["resources"]
    }
    assert written - {"resourceclaims/driver"} == confined
    if status := policies(found).get("resourceclaims/status"):
        text = json.dumps(status)
        assert text.count(driver_of(found)) == 3  # two lists, and the message
        assert [each["operations"] for each in status["matchConstraints"]["resourceRules"]] == [
            ["UPDATE"]
        ]


def policies(found: list[Object]) -> dict[str, Object]:
    """The specs of the policies, by the resource that each is for."""
    return {
        each["spec"]["matchConstraints"]["resourceRules"][0]["resources"][0]: each["spec"]
        for each in found
        if each["kind"] == "ValidatingAdmissionPolicy"
    }


def test_the_driver_has_one_name(found: list[Object]) -> None:
    driver = driver_of(found)
    *_, ours = policies(found)["resourceslices"]["validations"]
    assert ours["expression"] == f"variables.slice.spec.driver == '{driver}'"
    (volume,) = (each for each in pod_of(found)["volumes"] if each["name"] == "dra-driver")
    assert volume["hostPath"]["path"].endswith(f"/kubelet/plugins/{driver}")
    for each in found:
        if each["kind"] == "DeviceClass":
            (selector,) = each["spec"]["selectors"]
            assert selector["cel"]["expression"].count(f"'{driver}'") == 2
    if any(each["kind"] == "ConfigMap" for each in found):
        assert config(found).config.dra.driver_name == driver


def test_the_chart_has_the_rules_and_the_policy_of_the_component(tmp_path: Path) -> None:
    for overlay, name in (("dra", "dra"), ("dra-claim-status", "dra-claim-status")):
        ours, theirs = kustomize(DEPLOY / "overlays" / overlay), values(name, tmp_path)
        text = json.dumps(of_kind(theirs, "ClusterRole")["rules"])
        rules = json.loads(text.replace(driver_of(theirs), driver_of(ours)))
        assert rules == of_kind(ours, "ClusterRole")["rules"]
        text = json.dumps(policies(theirs)).replace(driver_of(theirs), driver_of(ours))
        account = pod_of(theirs)["serviceAccountName"]
        text = text.replace(f":{account}'", f":{pod_of(ours)['serviceAccountName']}'")
        assert json.loads(text) == policies(ours)
    chart = values("dra", tmp_path)
    ours = kustomize(DEPLOY / "overlays" / "dra")
    assert classes(ours) == classes(chart)
    for key in ("volumeMounts", "env"):
        mine, yours = (
            {each["name"]: each for each in container(side)[key]} for side in (ours, chart)
        )
        assert mine == yours
    mine, yours = (
        {each["name"]: each for each in pod_of(side)["volumes"]} for side in (ours, chart)
    )
    assert mine == yours


def test_only_the_claim_status_adds_rules() -> None:
    plain, more = (
        of_kind(kustomize(DEPLOY / "overlays" / name), "ClusterRole")["rules"]
        for name in ("dra", "dra-claim-status")
    )
    assert more[: len(plain)] == plain
    assert len(more) == len(plain) + 2


def classes(found: list[Object]) -> list[Any]:
    return sorted(
        (
            (each["metadata"]["name"], each["spec"])
            for each in found
            if each["kind"] == "DeviceClass"
        ),
        key=lambda pair: pair[0],
    )


def printed(config: Config) -> list[Any]:
    made = ((each["metadata"]["name"], each["spec"]) for each in device_classes(config))
    return sorted(made, key=lambda pair: pair[0])


def chart_of(written: Any, tmp_path: Path) -> list[Object]:
    file = tmp_path / "values.yaml"
    file.write_text(json.dumps({"config": written, "dra": {"enabled": True}}))
    return helm("--values", file)


@pytest.mark.parametrize(
    "example", sorted((REPO / "configs").iterdir()), ids=lambda file: file.name
)
def test_the_chart_makes_the_classes_that_dra_class_prints(example: Path, tmp_path: Path) -> None:
    found = chart_of(yaml.safe_load(example.read_text()), tmp_path)
    assert complaints(found) == []
    assert classes(found) == printed(config(found).config)


def test_classes_of_names_that_are_alike_differ_as_dra_class_prints_them(tmp_path: Path) -> None:
    every = [
        {"resourceName": name, "rdmaHcaMax": 1, "selectors": {"vendors": ["15b3"]}, **more}
        for name, more in (
            *((name, {}) for name in ("A_b", "a-b", "a.b", "a-b-2", HCA_CLASS, "9")),
            ("rdma_hca", {"resourcePrefix": "example.com"}),
        )
    ]
    found = chart_of({"configList": every, "dra": {"driverName": "x.example.com"}}, tmp_path)
    assert complaints(found) == []
    assert classes(found) == printed(config(found).config)
    assert len(classes(found)) == len(every) + 1


def test_an_existing_config_has_the_class_of_single_hcas_only(tmp_path: Path) -> None:
    assert [name for name, _ in classes(values("dra-existing-config", tmp_path))] == [HCA_CLASS]
    without = helm("--set", "dra.enabled=true,dra.deviceClasses=false")
    assert classes(without) == []


@pytest.mark.parametrize("name", [name for name in VALUES if name not in WITH_DRA])
def test_classic_mode_has_no_token_and_no_right(name: str, tmp_path: Path) -> None:
    rendered = values(name, tmp_path)
    assert_classic(rendered, accounts=name.startswith("openshift"))


@pytest.mark.parametrize(
    "name", [each.name for each in (DEPLOY / "overlays").iterdir() if "dra" not in each.name]
)
def test_no_other_component_has_a_token_or_a_right(name: str) -> None:
    assert_classic(kustomize(DEPLOY / "overlays" / name), accounts=False)


def assert_classic(found: list[Object], *, accounts: bool) -> None:
    allowed = {"ServiceAccount"} if accounts else set()
    assert {each["kind"] for each in found} & ACCESS <= allowed
    pod = pod_of(found)
    assert pod["automountServiceAccountToken"] is False
    assert pod["serviceAccountName"] == "default" or accounts
    assert not [each for each in pod["volumes"] if "projected" in each]
    variables = {each["name"] for each in container(found).get("env", ())}
    assert variables <= {"HOST_IP"}
    assert not [
        each for each in container(found)["volumeMounts"] if "/plugins/" in each["mountPath"]
    ]


def test_a_cluster_before_1_34_is_refused_with_the_reason() -> None:
    done = run(*template("--set", "dra.enabled=true", "--kube-version", "1.33.4"))
    assert done.returncode != 0
    assert "needs Kubernetes 1.34 or newer; this is v1.33.4" in done.stderr
    assert helm("--set", "dra.enabled=true", "--kube-version", "1.34.0-gke.1")


def test_a_resource_via_dra_needs_the_token_for_longer_than_the_config_says(tmp_path: Path) -> None:
    """Back at the device plugin, pods that still have claims need the token and the mounts."""
    file = tmp_path / "values.yaml"
    written = yaml.safe_load((REPO / "configs" / "dra.yaml").read_text())
    file.write_text(json.dumps({"config": written}))
    done = run(*template("--values", str(file)))
    assert done.returncode != 0
    assert "set dra.enabled=true too" in done.stderr.lower()


# --- the patches of the migration ---------------------------------------------------------------


@pytest.mark.parametrize(("patch", "used"), [("use-dra", "rdma-dp-dra"), ("use-plugin", "rdma-dp")])
def test_a_patch_of_the_migration_changes_the_config_alone(
    patch: str, used: str, tmp_path: Path
) -> None:
    text = (DEPLOY / "dra" / f"{patch}.yaml").read_text()
    head = "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: rdma-dp}\n"
    target = {"kind": "DaemonSet", "name": "rdma-dp"}
    patches = [{"target": target, "patch": head + text}]
    before = kustomize(DEPLOY / "overlays" / "dra")
    found = kustomize(with_components(tmp_path, ["dra"], patches=patches))
    assert complaints(found) == []
    spec = of_kind(found, "DaemonSet")["spec"]
    assert spec["updateStrategy"] == {"type": "OnDelete"}
    volumes = {each["name"]: each for each in pod_of(found)["volumes"]}
    assert volumes["config"] == {"name": "config", "configMap": {"name": used}}
    wanted = {each["name"]: each for each in pod_of(before)["volumes"]} | {
        "config": volumes["config"]
    }
    assert volumes == wanted
    if used != "rdma-dp":
        (example,) = yaml.safe_load_all((DEPLOY / "dra" / "config.yaml").read_text())
        namespace = of_kind(found, "DaemonSet")["metadata"]["namespace"]
        assert example["metadata"]["name"] == used
        assert example["metadata"]["namespace"] == namespace
        assert parse_bytes(example["data"]["config.json"].encode()).warnings == ()
