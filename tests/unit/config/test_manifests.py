"""C5: a config inside Kubernetes objects and Helm values, with the place of each problem."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from rdma_dp.config import ConfigError, Loaded, parse
from rdma_dp.config.loading import FoundConfig, find_config
from rdma_dp.config.manifests import search
from tests.paths import REPO
from tests.unit.config.test_config_properties import configs
from tests.unit.config.texts import ENTRY, by_path, entry, text

GOOD = text(ENTRY)
SHARED = Path("/work/shared/operator/rendered")


def config_map(content: str, name: str = "rdma-devices", key: str = "config.json") -> Any:
    metadata = {"name": name, "namespace": "kube-system"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {key: content}}


def policy(content: Any, kind: str = "NicClusterPolicy") -> Any:
    return {
        "apiVersion": "mellanox.com/v1alpha1",
        "kind": kind,
        "metadata": {"name": "a-policy"},
        "spec": {"rdmaSharedDevicePlugin": {"image": "x", "config": content}},
    }


def several(*objects: Any) -> Any:
    return {"apiVersion": "v1", "kind": "List", "items": list(objects)}


def found(
    tmp_path: Path, content: str, word: str = "", *, as_the_daemon: bool = False
) -> FoundConfig:
    file = tmp_path / "file.yaml"
    file.write_text(content)
    return find_config(Path(f"{file}#{word}") if word else file, as_the_daemon=as_the_daemon)


def problems(tmp_path: Path, content: str, word: str = "") -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        found(tmp_path, content, word).load()
    return by_path(caught.value.problems)


SAME = "ConfigMap kube-system/rdma-devices, key config.json"
IN_OBJECTS: list[tuple[Any, str]] = [
    (config_map(GOOD), "ConfigMap kube-system/rdma-devices, key config.json"),
    (config_map(GOOD, key="config"), "ConfigMap kube-system/rdma-devices, key config"),
    (policy(GOOD), "NicClusterPolicy a-policy, spec.rdmaSharedDevicePlugin.config"),
    (policy(GOOD, "NicNodePolicy"), "NicNodePolicy a-policy, spec.rdmaSharedDevicePlugin.config"),
    (several(config_map(GOOD)), "ConfigMap kube-system/rdma-devices, key config.json"),
    ({"config": json.loads(GOOD)}, "config"),
    (
        {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "configMapGenerator": [{"name": "m", "literals": [f"config.json={GOOD}"]}],
        },
        "Kustomization, configMapGenerator[0].literals[0]",
    ),
    ({"rdma-dp": {"config": json.loads(GOOD)}}, "rdma-dp.config"),
    (
        {"deployCR": True, "rdmaSharedDevicePlugin": {"config": GOOD}},
        "rdmaSharedDevicePlugin.config",
    ),
    (
        {"rdmaSharedDevicePlugin": {"resources": [{"name": "a", "vendors": ["15b3"]}]}},
        "rdmaSharedDevicePlugin.resources",
    ),
    (
        {
            "apiVersion": "helm.cattle.io/v1",
            "kind": "HelmChart",
            "metadata": {"name": "rdma-dp"},
            "spec": {"valuesContent": yaml.safe_dump({"config": json.loads(GOOD)})},
        },
        "HelmChart rdma-dp, spec.valuesContent.config",
    ),
]


@pytest.mark.parametrize(
    "write", [yaml.safe_dump, json.dumps, lambda data: json.dumps(data, indent=2)]
)
@pytest.mark.parametrize(("data", "place"), IN_OBJECTS, ids=lambda value: str(value)[:40])
def test_the_config_in_an_object_is_read(
    write: Callable[[Any], str], data: Any, place: str, tmp_path: Path
) -> None:
    """C5: in every object and in every form, with the object that it was in."""
    config = found(tmp_path, write(data))
    assert str(config.inside) == place
    assert config.load().config == parse(GOOD).config
    assert config.load().warnings == ()


def test_binary_data_is_base64() -> None:
    whole = config_map("")
    whole["binaryData"] = {"config.json": base64.b64encode(GOOD.encode()).decode()}
    del whole["data"]
    (inside,) = search(yaml.safe_dump(whole)).configs
    assert (inside.text, str(inside)) == (GOOD, SAME)


def test_binary_data_that_is_no_base64_is_a_problem(tmp_path: Path) -> None:
    whole = {**config_map(""), "data": None, "binaryData": {"config.json": "{}"}}
    (message,) = problems(tmp_path, yaml.safe_dump(whole)).values()
    assert message.startswith("is not text in base64")


@pytest.mark.parametrize("content", ["---\n{}\n", "# nothing\n---\n{}---\n# nothing\n", "{}...\n"])
def test_documents_without_a_config_are_passed_over(content: str, tmp_path: Path) -> None:
    """C5: a manifest with a ConfigMap and a DaemonSet; its key config.json is read."""
    other = {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "x"}}
    whole = content.format(f"{yaml.safe_dump(other)}---\n{yaml.safe_dump(config_map(GOOD))}")
    assert found(tmp_path, whole).load().config == parse(GOOD).config


def test_the_annotation_of_kubectl_apply_is_no_second_config(tmp_path: Path) -> None:
    whole = config_map(GOOD)
    last = json.dumps(whole)
    whole["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": last}
    assert found(tmp_path, yaml.safe_dump(whole)).load().config == parse(GOOD).config


def test_a_manifest_with_an_unrelated_deep_object_is_read(tmp_path: Path) -> None:
    """Custom resource definitions are nested deeper than a config may be."""
    deep: Any = {"description": "mentions configList"}
    for _ in range(50):
        deep = {"properties": deep}
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "spec": deep,
    }
    whole = yaml.safe_dump_all([crd, policy(GOOD)])
    assert found(tmp_path, whole).load().config == parse(GOOD).config


# --- several configs, or none -------------------------------------------------------------------


def test_several_configs_are_listed_and_a_word_chooses_one(tmp_path: Path) -> None:
    """C5: two ConfigMaps, and a ConfigMap with several keys."""
    other = text(entry(resourceName="b"))
    second = config_map(other, "second", "node-a.json")
    second["data"]["node-b.json"] = text(entry(resourceName="c"))
    whole = yaml.safe_dump_all([config_map(GOOD), second])
    (message,) = problems(tmp_path, whole).values()
    file = tmp_path / "file.yaml"
    assert message == (
        "holds 3 configs: rdma-devices (ConfigMap kube-system/rdma-devices, key config.json, "
        "line 3), node-a.json (ConfigMap kube-system/second, key node-a.json, line 12), "
        "node-b.json (ConfigMap kube-system/second, key node-b.json, line 14) "
        f"(choose one: {file}#rdma-devices)"
    )
    for word, name in {
        "rdma-devices": "a",
        "kube-system/rdma-devices": "a",
        "config.json": "a",
        "node-a.json": "b",
        "second/node-b.json": "c",
        "kube-system/second/node-b.json": "c",
    }.items():
        (resource,) = found(tmp_path, whole, word).load().config.config_list
        assert resource.resource_name == name, word
    assert 'holds 2 configs for "second"' in problems(tmp_path, whole, "second")[""]
    assert 'holds no config "third": ' in problems(tmp_path, whole, "third")[""]


def test_several_plain_configs_in_one_file_are_numbered(tmp_path: Path) -> None:
    other = yaml.safe_dump({"configList": [entry(resourceName="b", rdmaHcaMax=0)]})
    whole = f"configList:\n- {json.dumps(ENTRY)}\n---\n{other}"
    assert problems(tmp_path, whole)[""].startswith("holds 2 configs: 1 (document 1, line 1), 2 (")
    assert found(tmp_path, whole, "1").load().config == parse(GOOD).config
    assert list(problems(tmp_path, whole, "2")) == ["5:3: document 2: configList[0].rdmaHcaMax"]


def test_a_file_with_a_hash_in_its_name_is_a_file(tmp_path: Path) -> None:
    file = tmp_path / "a#b.json"
    file.write_text(GOOD)
    assert find_config(file).load().config == parse(GOOD).config


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("DaemonSet", "a config is the key config.json of a ConfigMap"),
        ("HostDeviceNetwork", "moves an interface of the SR-IOV plugin's resource into a pod"),
        ("SriovNetworkNodePolicy", "configures the SR-IOV Network Operator"),
    ],
)
def test_objects_without_a_config_are_named(kind: str, said: str, tmp_path: Path) -> None:
    whole = {"apiVersion": "x/v1", "kind": kind, "metadata": {"name": "b"}}
    message = problems(tmp_path, yaml.safe_dump(whole))[""]
    assert message.startswith(f"holds no config, only {kind} b (")
    assert said in message


@pytest.mark.parametrize("content", ["", "{", '{"configLst": []}', "# nothing\n"])
def test_what_is_in_config_json_is_a_config_even_if_it_does_not_look_like_one(
    content: str, tmp_path: Path
) -> None:
    ((path, _), *_) = problems(tmp_path, yaml.safe_dump(config_map(content))).items()
    assert "ConfigMap kube-system/rdma-devices, key config.json" in path


@pytest.mark.parametrize("content", [f"[{GOOD}]", json.dumps(GOOD), f"- {GOOD}"])
def test_a_list_or_a_string_is_no_object(content: str, tmp_path: Path) -> None:
    assert list(problems(tmp_path, content)) == [""]


def test_a_config_map_of_another_plugin_is_named(tmp_path: Path) -> None:
    """C6: the SR-IOV Network Operator has one key for each node, without .json."""
    other = json.dumps({"resourceList": [{"resourceName": "a", "selectors": {"isRdma": True}}]})
    found = problems(tmp_path, yaml.safe_dump(config_map(other, "b", "node")))
    (path, message), (key, _) = found.items()
    assert path.endswith(": ConfigMap kube-system/b, key node")
    assert message.startswith("is a config of the SR-IOV network device plugin")
    assert key.endswith(": ConfigMap kube-system/b, key node: resourceList[0].selectors.isRdma")


def test_the_sriov_plugins_config_in_a_policy_is_named(tmp_path: Path) -> None:
    """C6: "holds no config", though the policy holds that of the SR-IOV plugin."""
    other = json.dumps({"resourceList": [{"resourceName": "a"}]})
    sriov = {"sriovDevicePlugin": {"config": other}}
    whole = {**policy(GOOD), "spec": sriov}
    ((path, message),) = problems(tmp_path, yaml.safe_dump(whole)).items()
    assert path.endswith("NicClusterPolicy a-policy, spec.sriovDevicePlugin.config")
    assert message.startswith("is a config of the SR-IOV network device plugin")
    for own in (GOOD, ""):
        whole["spec"] = {**policy(own)["spec"], **sriov}
        file = tmp_path / "both.yaml"
        file.write_text(yaml.safe_dump(whole))
        inside = find_config(file).inside
        assert inside is not None
        assert inside.keys == ("spec", "rdmaSharedDevicePlugin", "config")


def test_several_unknown_files_in_a_config_map_are_no_configs(tmp_path: Path) -> None:
    whole = config_map("{}", key="a.json")
    whole["data"]["b.json"] = "{}"
    assert problems(tmp_path, yaml.safe_dump(whole))[""].startswith("holds no config, only Config")


# --- the place of a problem ---------------------------------------------------------------------

BAD = json.dumps({"configList": [ENTRY, entry(resourceName="b", rdmaHcaMax=0)]}, indent=2)


@pytest.mark.parametrize("style", [None, "|", ">", '"', "'"])
@pytest.mark.parametrize("content", [BAD, BAD.replace("\n", " "), BAD.replace("[\n", "[ \n")])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_problem_has_its_place_in_the_file_in_every_style_of_yaml(
    style: str | None, content: str, end: str, tmp_path: Path
) -> None:
    class Dumper(yaml.SafeDumper):
        pass

    Dumper.add_representer(str, lambda d, s: d.represent_scalar("tag:yaml.org,2002:str", s, style))
    whole = yaml.dump(config_map(content), Dumper=Dumper).replace("\n", end)
    file = tmp_path / "file.yaml"
    file.write_bytes(whole.encode())
    with pytest.raises(ConfigError) as caught:
        find_config(file).load()
    (problem,) = caught.value.problems
    place, said, path = problem.path.split(": ")
    assert (said, path) == (SAME, "configList[1].rdmaHcaMax")
    line, column = map(int, place.split(":"))
    written = whole.split(end)[line - 1][column - 1 :]
    assert written.replace("\\", "").startswith('"rdmaHcaMax": 0')


def test_a_syntax_error_inside_has_its_place_in_the_file(tmp_path: Path) -> None:
    whole = yaml.dump(
        config_map('{\n "configList": [\n  {"resourceName" "a"}]}\n'), default_style="|"
    )
    ((path, message),) = problems(tmp_path, whole).items()
    assert path == f"7:23: {SAME}"
    assert whole.splitlines()[6][22:].startswith('"a"')
    assert message == "is not JSON: a colon is missing behind the key"


def test_both_places_of_a_cut_text_are_in_the_file(tmp_path: Path) -> None:
    """C5: the end had its place in the file, the bracket that is open its place in the string."""
    whole = yaml.dump(config_map('{"configList": [\n  {"resourceName": "a",\n'), default_style="|")
    ((path, message),) = problems(tmp_path, whole).items()
    lines = whole.splitlines()
    opened = next(n for n, line in enumerate(lines, 1) if "resourceName" in line)
    column = lines[opened - 1].index("{") + 1
    assert f"it ends before the {{ of {opened}:{column} is closed (add }}]}})" in message
    assert int(path.partition(":")[0]) > opened


@pytest.mark.parametrize(
    "content",
    [
        "configMapGenerator:\n- name: a\n  files: [config.json]\n",
        "resources:\n- daemonset.yaml\n",
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [a.yaml]\n",
    ],
)
def test_a_kustomization_without_a_kind_is_one(content: str, tmp_path: Path) -> None:
    """C5: kustomize needs no kind, and "configList is missing" did not say what the file is."""
    message = problems(tmp_path, content)[""]
    assert message.startswith("holds no config, only Kustomization")
    assert "check the file with the config" in message


def test_a_literal_of_a_kustomization_without_a_kind_is_read(tmp_path: Path) -> None:
    whole = {"configMapGenerator": [{"name": "a", "literals": [f"config.json={GOOD}"]}]}
    inside = found(tmp_path, yaml.safe_dump(whole)).inside
    assert inside is not None
    assert str(inside) == "Kustomization, configMapGenerator[0].literals[0]"


def test_a_problem_in_helm_values_has_its_place(tmp_path: Path) -> None:
    whole = "rdma-dp:\n  config:\n    configList:\n      - resourceName: a\n        rdmaHcaMax: x\n"
    whole += '        selectors: {vendors: ["15b3"]}\n'
    ((path, message),) = problems(tmp_path, whole).items()
    assert path == "5:9: rdma-dp.config: configList[0].rdmaHcaMax"
    assert message.startswith('must be a whole number, not the string "x"')


def test_numbers_in_helm_values_are_numbers(tmp_path: Path) -> None:
    """Helm writes an unquoted 1017 as a number, which no plugin takes for a device ID."""
    resources = "rdmaSharedDevicePlugin:\n  resources:\n  - name: a\n    deviceIDs: [1017]\n"
    assert "not the number 1017" in str(problems(tmp_path, resources))
    quoted = found(tmp_path, resources.replace("1017", '"1017"')).load().config.config_list[0]
    assert (quoted.rdma_hca_max, quoted.selector_sets[0].device_ids) == (63, ("1017",))


def test_keys_that_the_chart_of_network_operator_ignores_are_warned_of(tmp_path: Path) -> None:
    resources = (
        "rdmaSharedDevicePlugin:\n  resources:\n  - {name: a, vendors: [15b3], devices: [x]}\n"
    )
    (warning,) = found(tmp_path, resources).load().warnings
    assert "devices: is ignored by the chart of Network Operator" in str(warning)


def test_a_slip_in_helm_values_is_refused_with_its_place(tmp_path: Path) -> None:
    whole = "config:\n  configList:\n  - resourceName: a\n    selectors:\n      ifNames: [a, // b"
    whole += "\n        c]\n"
    ((path, message),) = problems(tmp_path, whole).items()
    assert path == "5:20: config"
    assert "a comment of another language" in message


# --- what Network Operator does to the string ---------------------------------------------------


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (GOOD.replace("{", "{ // c\n", 1), "on one line, where this comment hides the rest"),
        (GOOD.replace("{", "{ # c\n", 1), "on one line, where this comment hides the rest"),
        (GOOD.replace("{", "{ /* it's */", 1), "one inside breaks the ConfigMap"),
        (yaml.safe_dump(json.loads(GOOD)), "is not JSON; Network Operator puts it on one line"),
        (json.loads(GOOD), "must be a string with the config, not an object"),
    ],
)
def test_what_network_operator_breaks_is_a_problem_of_a_policy(
    content: Any, said: str, tmp_path: Path
) -> None:
    (message,) = problems(tmp_path, yaml.safe_dump(policy(content))).values()
    assert said in message


def test_comments_that_survive_network_operator_are_warnings(tmp_path: Path) -> None:
    content = GOOD.replace("{", "{ /* c */", 1) + " // the end\n"
    assert len(found(tmp_path, yaml.safe_dump(policy(content))).load().warnings) == 1


# --- the daemon ---------------------------------------------------------------------------------


def test_the_daemon_takes_only_the_config_itself(tmp_path: Path) -> None:
    whole = yaml.safe_dump(config_map(GOOD))
    read: list[Callable[[], Loaded]] = [
        lambda: parse(whole),
        lambda: found(tmp_path, whole, as_the_daemon=True).load(),
    ]
    for load in read:
        with pytest.raises(ConfigError) as caught:
            load()
        (problem,) = caught.value.problems
        assert problem.message.startswith('is the Kubernetes object "ConfigMap rdma-devices"')
        assert "mount the key config.json of the ConfigMap" in str(problem.hint)


# --- any text, and the files of this repository -------------------------------------------------


@given(st.text() | configs.map(lambda data: yaml.safe_dump(config_map(json.dumps(data, indent=3)))))
@example("a: &a [*a, {configList: *a}]")
@example("kind: ConfigMap\napiVersion: v1\ndata: {a: 'configList: [', b: 'b: |\n  configList:'}")
@example("apiVersion: v1\nkind: List\nitems: [{metadata: {}}, [], null]")
def test_any_text_is_searched(content: str) -> None:
    for each in search(content).configs:
        assert each.words or not each.keys
        assert str(each)


@pytest.mark.parametrize(
    "file",
    [
        "deploy/helm/rdma-dp/values.yaml",
        "deploy/base/daemonset.yaml",
        "deploy/daemonset.yaml",
        "deploy/components/per-hca/config.yaml",
        "deploy/network-operator/nic-cluster-policy.yaml",
    ],
)
def test_the_manifests_of_this_repository_hold_a_good_config(file: str) -> None:
    config = find_config(REPO / file)
    assert config.inside is not None
    assert config.load().warnings == ()


@pytest.mark.skipif(not SHARED.exists(), reason="needs the manifests that Network Operator made")
@pytest.mark.parametrize("version", ["25.7", "26.7"])
def test_the_config_map_that_network_operator_made_is_read(version: str) -> None:
    config = find_config(SHARED / f"{version}-configmap.yaml")
    assert config.load().config.config_list[0].selector_sets[0].if_names == ("ens1f0np0",)
