"""The Helm chart: each rendering is valid, and makes the same pod as the base."""

import json
import shutil
from pathlib import Path
from textwrap import indent
from typing import Any

import pytest
import yaml

from tests.heavy.deploy.rendered import (
    CHART,
    DEPLOY,
    complaints,
    config,
    container,
    helm,
    kustomize,
    of_kind,
    run,
    template,
)
from tests.paths import REPO

# Values that a user may set.
VALUES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "cdi": {"cdi": {"enabled": True}},
    "cdi-by-config": {"config": {"cdi": "both"}},
    "per-hca": {"config": yaml.safe_load((REPO / "configs" / "per-hca.yaml").read_text())},
    "node-features": {"nodeFeatures": {"enabled": True, "directory": "/srv/features.d"}},
    "existing-config": {"existingConfigMap": "mine", "deviceInfo": {"mount": True}},
    "links-up": {"setLinksUp": True},
    "metrics": {"metrics": {"enabled": True}},
    "metrics-local": {"metrics": {"enabled": True, "address": "127.0.0.1", "port": 1}},
    "pods": {"metrics": {"enabled": True}, "config": {"metrics": {"pods": "allocations"}}},
    "queue-pairs": {"metrics": {"enabled": True, "pods": "queuePairs"}, "existingConfigMap": "m"},
    "openshift-queue-pairs": {
        "openshift": {"enabled": True},
        "metrics": {"enabled": True, "pods": "queuePairs"},
    },
    "monitoring": {
        "metrics": {
            "enabled": True,
            "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
            "prometheusRule": {"enabled": True, "runbooks": "https://example.com/runbooks"},
            "dashboard": {"enabled": True, "annotations": {"a": "b"}},
        }
    },
    "no-probes": {"probes": {"enabled": False}},
    "privileged": {"privileged": True, "setLinksUp": True},
    "openshift": {"openshift": {"enabled": True}},
    "openshift-cdi": {"openshift": {"enabled": True}, "cdi": {"enabled": True}},
    "openshift-node-features": {
        "openshift": {"enabled": True},
        "nodeFeatures": {"enabled": True},
    },
    "openshift-links-up": {"openshift": {"enabled": True}, "setLinksUp": True},
    "openshift-privileged": {"openshift": {"enabled": True}, "privileged": True},
    "dra": {"dra": {"enabled": True}},
    "dra-by-config": {
        "dra": {"enabled": True},
        "config": yaml.safe_load((REPO / "configs" / "dra.yaml").read_text()),
    },
    "dra-existing-config": {
        "existingConfigMap": "mine",
        "dra": {"enabled": True, "driverName": "rdma.example.com", "claimStatus": True},
        "updateStrategy": {"type": "OnDelete"},
    },
    "dra-claim-status": {
        "dra": {"enabled": True, "token": {"expirationSeconds": 600, "audience": "a.example.com"}},
        "config": {"dra": {"driverName": "rdma.example.com", "claimStatus": True}},
        "kubelet": {"rootDirectory": "/srv/kubelet"},
        "cdi": {"enabled": True, "directory": "/srv/cdi"},
        "metrics": {"enabled": True},
        "fullnameOverride": "other",
    },
    "openshift-dra": {"openshift": {"enabled": True}, "dra": {"enabled": True}},
    "elsewhere": {
        "kubelet": {"rootDirectory": "/srv/kubelet", "registration": "device-plugins"},
        "requireNodeFeature": False,
        "nodeSelector": {"node-role": "gpu"},
        "tolerations": [],
        "priorityClassName": "",
        "updateStrategy": {"type": "OnDelete"},
        "podLabels": {"team": "a"},
        "podAnnotations": {"a/b": "c"},
        "image": {"tag": "1.2.3", "pullSecrets": [{"name": "secret"}]},
        "log": {"format": "json", "level": "debug"},
    },
}


@pytest.fixture(params=VALUES)
def values(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(VALUES[request.param]))
    return file


def of(name: str, tmp_path: Path) -> list[dict[str, Any]]:
    file = tmp_path / f"{name}.yaml"
    file.write_text(yaml.safe_dump(VALUES[name]))
    return helm("--values", file)


def test_lint_has_nothing_to_say(values: Path) -> None:
    done = run("helm", "lint", "--strict", CHART, "--values", values)
    assert done.returncode == 0, done.stdout
    assert "[WARNING]" not in done.stdout


def test_a_rendering_is_what_the_api_server_takes(values: Path) -> None:
    assert complaints(helm("--values", values)) == []


def test_without_values_it_is_the_base() -> None:
    base, chart = kustomize(DEPLOY / "base"), helm()
    ours, theirs = (of_kind(found, "DaemonSet")["spec"] for found in (base, chart))
    for key in ("updateStrategy", "minReadySeconds"):
        assert ours[key] == theirs[key]
    mine, yours = container(base), container(chart)
    for key in ("securityContext", "volumeMounts", "resources", "image", "command"):
        assert mine[key] == yours[key], key
    pod, other = ours["template"]["spec"], theirs["template"]["spec"]
    for key in pod.keys() - {"containers", "volumes"}:
        assert pod[key] == other[key], key
    assert [v.get("hostPath") for v in pod["volumes"]] == [
        v.get("hostPath") for v in other["volumes"]
    ]
    assert config(base).config == config(chart).config


def test_the_daemon_knows_every_flag(values: Path) -> None:
    known = run(REPO / ".venv/bin/rdma-dp", "run", "--help").stdout
    verb, *flags = container(helm("--values", values))["args"]
    assert verb == "run"
    for flag in flags:
        assert flag.partition("=")[0] in known


def test_every_example_config_can_be_given_as_values(tmp_path: Path) -> None:
    for example in sorted((REPO / "configs").iterdir()):
        written = yaml.safe_load(example.read_text())
        file = tmp_path / example.name
        uses_dra = any(each.get("via") == "dra" for each in written["configList"])
        file.write_text(json.dumps({"config": written, "dra": {"enabled": uses_dra}}))
        rendered = config(helm("--values", file)).config
        whole = {"periodicUpdateInterval": 60, **written}
        assert rendered == config([_config_map(whole)]).config, example.name


def _config_map(written: Any) -> dict[str, Any]:
    return {"kind": "ConfigMap", "data": {"config.json": json.dumps(written)}}


@pytest.mark.parametrize("name", ["cdi", "cdi-by-config"])
def test_cdi_brings_its_directory(name: str, tmp_path: Path) -> None:
    mounted = {mount["name"] for mount in container(of(name, tmp_path))["volumeMounts"]}
    assert "cdi" in mounted


@pytest.mark.parametrize("name", ["per-hca", "existing-config"])
def test_device_info_brings_its_directory(name: str, tmp_path: Path) -> None:
    mounted = {mount["name"] for mount in container(of(name, tmp_path))["volumeMounts"]}
    assert "device-info" in mounted


def test_node_features_bring_their_directory(tmp_path: Path) -> None:
    found = of("node-features", tmp_path)
    (option,) = (arg for arg in container(found)["args"] if arg.startswith("--nfd-features="))
    mounts = {each["name"]: each["mountPath"] for each in container(found)["volumeMounts"]}
    pod = of_kind(found, "DaemonSet")["spec"]["template"]["spec"]
    volumes = {each["name"]: each.get("hostPath") for each in pod["volumes"]}
    assert mounts["node-features"] == option.partition("=")[2]
    assert volumes["node-features"] == {"path": "/srv/features.d", "type": "DirectoryOrCreate"}


def test_node_features_are_off_by_default(tmp_path: Path) -> None:
    found = container(of("nothing", tmp_path))
    assert not [each for each in found["args"] if "nfd" in each]
    assert "node-features" not in {mount["name"] for mount in found["volumeMounts"]}


def test_setting_links_up_takes_one_capability(tmp_path: Path) -> None:
    found = container(of("links-up", tmp_path))
    assert found["securityContext"]["capabilities"] == {"drop": ["ALL"], "add": ["NET_ADMIN"]}
    assert "--set-links-up" in found["args"]


def test_metrics_are_on_the_nodes_own_address_and_declare_no_port(tmp_path: Path) -> None:
    found = container(of("metrics", tmp_path))
    assert "--metrics=$(HOST_IP):8765" in found["args"]
    assert found["env"][0]["valueFrom"] == {"fieldRef": {"fieldPath": "status.hostIP"}}
    assert "ports" not in found
    local = container(of("metrics-local", tmp_path))
    assert "--metrics=127.0.0.1:1" in local["args"]
    assert "env" not in local


def test_each_level_of_pod_metrics_adds_only_its_own(tmp_path: Path) -> None:
    def added(name: str) -> tuple[set[str], bool]:
        found = of(name, tmp_path)
        pod = of_kind(found, "DaemonSet")["spec"]["template"]["spec"]
        paths = {mount["mountPath"] for mount in container(found)["volumeMounts"]}
        base = {mount["mountPath"] for mount in container(of("metrics", tmp_path))["volumeMounts"]}
        return paths - base, pod.get("hostPID", False)

    pods = "/var/lib/kubelet/pod-resources"
    assert added("pods") == ({pods}, False)
    assert added("queue-pairs") == ({pods, "/var/log/containers"}, True)
    scc = of_kind(of("openshift-queue-pairs", tmp_path), "SecurityContextConstraints")
    assert scc["allowHostPID"] is True


def test_monitoring_brings_the_same_rules_and_dashboard_as_the_component(tmp_path: Path) -> None:
    found = of("monitoring", tmp_path)
    component = DEPLOY / "components" / "monitoring"
    rule = yaml.safe_load((component / "prometheusrule.yaml").read_text())
    text = json.dumps(rule["spec"]).replace(
        "docs/troubleshooting.md", "https://example.com/runbooks"
    )
    assert of_kind(found, "PrometheusRule")["spec"] == json.loads(text)
    (board,) = (
        each for each in found if each["kind"] == "ConfigMap" and "dashboard.json" in each["data"]
    )
    assert json.loads(board["data"]["dashboard.json"]) == json.loads(
        (component / "dashboard.json").read_text()
    )
    monitor = of_kind(found, "ServiceMonitor")
    service = of_kind(found, "Service")
    labels = of_kind(found, "DaemonSet")["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()
    assert (
        monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    )
    assert monitor["metadata"]["labels"]["release"] == "prometheus"


def test_without_probes_there_is_no_socket(tmp_path: Path) -> None:
    found = container(of("no-probes", tmp_path))
    assert not [key for key in found if key.endswith("Probe")]
    assert not [each for each in found["args"] if "probe" in each]
    assert "/run/rdma-dp" not in {mount["mountPath"] for mount in found["volumeMounts"]}


@pytest.mark.parametrize("name", [name for name in VALUES if name.startswith("openshift")])
def test_the_scc_allows_the_pod(name: str, tmp_path: Path) -> None:
    found = of(name, tmp_path)
    pod = of_kind(found, "DaemonSet")["spec"]["template"]["spec"]
    assert {key for volume in pod["volumes"] for key in volume} - {"name"} <= {
        *of_kind(found, "SecurityContextConstraints")["volumes"]
    }
    scc, context = (
        of_kind(found, "SecurityContextConstraints"),
        container(found)["securityContext"],
    )
    assert scc["allowPrivilegedContainer"] is context["privileged"]
    added = context.get("capabilities", {}).get("add", [])
    assert {*added} == {*scc["allowedCapabilities"]}
    assert not {*added} & {*scc["requiredDropCapabilities"]}
    if "seLinuxOptions" in context:
        assert scc["seLinuxContext"]["seLinuxOptions"] == context["seLinuxOptions"]


@pytest.mark.parametrize("name", ["openshift-cdi", "openshift-dra", "openshift-node-features"])
def test_files_on_openshift_take_the_type_that_may_write_their_directory(
    name: str, tmp_path: Path
) -> None:
    context = container(of(name, tmp_path))["securityContext"]
    assert context["seLinuxOptions"] == {"type": "spc_t"}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("config.configList[0].rdmaHcaMaxx=63", "rdmaHcaMaxx"),
        ("config.periodicUpdateInterval=often", "periodicUpdateInterval"),
        ("config.cdi=yes", "cdi"),
        ("imag.tag=1", "imag"),
        ("image.tags=1", "tags"),
        ("log.level=loud", "level"),
        ("kubelet.registration=both", "registration"),
        ("privileged=perhaps", "privileged"),
        ("dra.enabled=perhaps", "enabled"),
        ("dra.driver=a.example.com", "driver"),
        ("config.configList[0].via=claims", "via"),
    ],
)
def test_a_wrong_value_is_refused_by_name(wrong: str, said: str) -> None:
    done = run(*template("--set", wrong))
    assert done.returncode != 0
    assert said in done.stderr


def test_the_notes_name_what_was_installed(tmp_path: Path) -> None:
    # helm shows notes only with a cluster. As a template, they are rendered here.
    chart = shutil.copytree(CHART, tmp_path / "chart")
    notes = (chart / "templates" / "NOTES.txt").read_text()
    (chart / "templates" / "notes.yaml").write_text(f"notes: |\n{indent(notes, '  ')}")
    done = run("helm", "template", "fabric", chart, "--show-only", "templates/notes.yaml")
    assert "exec ds/fabric-rdma-dp -- rdma-dp dry-run" in done.stdout, done.stderr
