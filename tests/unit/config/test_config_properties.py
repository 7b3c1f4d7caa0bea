"""Properties of all configs."""

import json
import re
from collections.abc import Callable
from typing import Any

import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from rdma_dp.config import ConfigError, Loaded, parse
from rdma_dp.config.placeholders import left_in
from rdma_dp.config.values.hca_traits import VENDOR_IDS
from rdma_dp.formats.names import hcas_variable
from tests.unit.config.texts import entry, text

KEYS = [
    "periodicUpdateInterval", "configList", "resourceName", "resourcePrefix", "rdmaHcaMax",
    "selectors", "devices", "vendors", "deviceIDs", "drivers", "ifNames", "linkTypes",
    "rdmaDevices", "pciAddresses", "pfNames", "functionTypes", "numaNodes", "exclude",
    "extraSelectors", "slotsPer", "preference", "topology", "deviceInfo", "management",
    "env", "cdi",
    "metrics", "counters", "minInterval", "pods", "pauses",
    "via", "dra", "driverName", "linkDown", "pcieRoots", "claimStatus", "slots",
]  # fmt: skip

# --- any text, any data ---

seeds = st.sampled_from([text(entry()), yaml.safe_dump(json.loads(text(entry())))])
syntax = st.text(alphabet="{}[]:,-#&*!|>'\"%@`?~<=\\ \n\t\x00\x85\ufeffaexuU019_.", max_size=60)
damaged = st.builds(
    lambda whole, at, cut, new: whole[:at] + new + whole[at + cut :],
    seeds,
    st.integers(0, 90),
    st.integers(0, 9),
    syntax,
)
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
    | st.sampled_from(["a", "15B3", " 0x15b3", "IB", "kubelet", "18:00.0-7", "a#3-1", "HCA", "Off"])
)  # fmt: skip
keys = st.sampled_from([*KEYS, *map(str.upper, KEYS), "unknown", "vendor"])
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=15,
)
entry_like = st.dictionaries(keys, anything, max_size=6)
config_like = st.fixed_dictionaries(
    {"configList": st.lists(entry_like, max_size=4)},
    optional={"periodicUpdateInterval": anything, "other": anything},
)


def is_json(data: Any) -> bool:
    """JSON has no NaN and no Infinity."""
    return re.search(r"(?<!\")\b(NaN|Infinity)\b", json.dumps(data)) is None


def outcome(config: str) -> Loaded | ConfigError:
    try:
        return parse(config)
    except ConfigError as error:
        assert error.problems
        return error


@given(st.text() | syntax | damaged)
@example('"\\UFFFFFFFF"')
@example("%YAML 9.9\n---\na")
@example("!!python/object:os.system x")
@example("&a : *a")
def test_any_text_is_read_or_refused(config: str) -> None:
    outcome(config)


@given(anything | config_like)
def test_any_data_is_read_or_refused(data: Any) -> None:
    outcome(json.dumps(data))


@given((anything | config_like).filter(is_json))
def test_every_path_is_in_the_config_or_names_a_missing_key(data: Any) -> None:
    said = outcome(json.dumps(data))
    problems = () if isinstance(said, Loaded) else said.problems
    for problem in (*problems, *said.warnings):
        assert found_or_missing(data, problem.path), str(problem)


def found_or_missing(data: Any, path: str) -> bool:
    """Whether `path` exists in the data; only its last key may be absent."""
    steps = re.findall(r"\[(\d+)\]|([\w$]+)", path)
    return leads_somewhere(data, [int(n) if n else key for n, key in steps])


def leads_somewhere(data: Any, steps: list[int | str]) -> bool:
    if not steps:
        return True
    step, *rest = steps
    if isinstance(step, int):
        return isinstance(data, list) and step < len(data) and leads_somewhere(data[step], rest)
    if not isinstance(data, dict):
        return False
    # Duplicate keys: the path can belong to each of them.
    named = [value for key, value in data.items() if key.upper() == step.upper()]
    return not rest or any(leads_somewhere(value, rest) for value in named)


# --- valid configs ---

names = st.from_regex(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,20}[A-Za-z0-9])?", fullmatch=True).filter(
    lambda name: name != "kubelet" and left_in(name) is None
)
prefixes = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,9}[a-z0-9])?", fullmatch=True).filter(
    lambda name: left_in(name) is None
)
# Three IDs are names of models too, and are warned of.
hex_ids = st.integers(0, 0xFFFF).map("{:04x}".format).filter(re.compile("(?!e8[123]0)").match)
# The ID of a vendor of HCAs is warned of: its place is `vendors`.
device_ids = hex_ids.filter(lambda each: each not in VENDOR_IDS.values())
# Names that look like nothing of another selector, so there is no warning.
words = st.from_regex(r"w[a-z0-9_]{0,14}", fullmatch=True)


def several(values: st.SearchStrategy[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(values, min_size=1, max_size=3, unique=True)


traits: dict[Any, st.SearchStrategy[Any]] = {
    "vendors": several(hex_ids),
    "deviceIDs": several(device_ids),
    "drivers": several(words),
    "ifNames": several(words),
    "linkTypes": several(st.sampled_from(["ether", "infiniband"])),
    "rdmaDevices": several(words),
    "pciAddresses": several(st.sampled_from(["0000:18:00.0", "0000:3b:*", "0000:3b:00.2-7"])),
    "pfNames": several(st.sampled_from(["ens1f0", "ens1*#0-3,7"])),
    "functionTypes": several(st.sampled_from(["pf", "vf", "sf", "virtual"])),
    "numaNodes": st.lists(st.integers(0, 9), min_size=1, max_size=3, unique=True),
}
selectors = st.fixed_dictionaries({}, optional=traits).filter(bool)
excludes = st.fixed_dictionaries({}, optional={"exclude": selectors})
entries = st.fixed_dictionaries(
    {
        "resourceName": names,
        "rdmaHcaMax": st.integers(1, 1000),
        "selectors": st.builds(dict.__or__, selectors, excludes),
        "slotsPer": st.just("hca"),
    },
    optional={
        "resourcePrefix": prefixes,
        "preference": st.sampled_from(["spread", "pack"]),
        "topology": st.booleans(),
        "deviceInfo": st.booleans(),
        "management": st.booleans(),
    },
)
# Names that differ in letters and digits share no environment variable, so there is no warning.
configs: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "configList": st.lists(
            entries,
            min_size=1,
            max_size=4,
            unique_by=lambda e: hcas_variable(str(e["resourceName"])),
        )
    },
    optional={
        "periodicUpdateInterval": st.integers(0, 10**6),
        "cdi": st.sampled_from(["off", "cri", "annotations", "both"]),
        "metrics": st.fixed_dictionaries(
            {},
            optional={
                "counters": st.sampled_from(["none", "trouble", "all"]),
                "minInterval": st.integers(1, 86400),
                "pods": st.sampled_from(["none", "allocations", "queuePairs"]),
                "pauses": st.booleans(),
            },
        ),
        "dra": st.fixed_dictionaries(
            {},
            optional={
                "driverName": st.sampled_from(["hca.rdma-dp.dev", "rdma.example.com"]),
                "linkDown": st.sampled_from(["none", "NoSchedule"]),
                "pcieRoots": st.dictionaries(
                    st.from_regex(r"[0-9]{4}:[0-9]{2}:[01][0-9]\.[0-7]", fullmatch=True),
                    st.from_regex(r"pci[0-9a-f]{4}:[0-9a-f]{2}", fullmatch=True),
                    max_size=2,
                ),
                "claimStatus": st.booleans(),
                "slots": st.sampled_from(["shared", "each"]),
            },
        ),
    },
)


@given(configs)
def test_a_valid_config_is_taken_without_a_word_and_keeps_every_value(data: Any) -> None:
    loaded = parse(json.dumps(data))
    assert loaded.warnings == ()
    assert loaded.document.model_dump(by_alias=True, exclude_unset=True, mode="json") == data


@given(configs)
def test_selectors_and_extra_selectors_say_the_same(data: Any) -> None:
    moved = json.loads(json.dumps(data))
    for resource in moved["configList"]:
        resource["extraSelectors"] = resource.pop("selectors")
    assert parse(json.dumps(moved)) == parse(json.dumps(data))


@given(configs)
def test_yaml_and_json_say_the_same(data: Any) -> None:
    assert parse(yaml.safe_dump(data)) == parse(json.dumps(data))


@given(configs, st.randoms(use_true_random=False))
def test_the_case_of_keys_changes_nothing_but_warnings(data: Any, random: Any) -> None:
    changed: list[str] = []

    def mangled(value: Any) -> Any:
        if isinstance(value, list):
            return [mangled(item) for item in value]
        return (
            {mangle(k): mangled(v) for k, v in value.items()} if isinstance(value, dict) else value
        )

    def mangle(key: str) -> str:
        new = "".join(random.choice([c.lower(), c.upper()]) for c in key)
        changed.extend([new] * (new != key))
        return new

    loaded = parse(json.dumps(mangled(data)))
    assert loaded.config == parse(json.dumps(data)).config
    assert sorted(w.path.rpartition(".")[2] for w in loaded.warnings) == sorted(changed)


# --- defects ---

Defect = tuple[Callable[[dict[str, Any]], object], str]
DEFECTS: list[Defect] = [
    (lambda e: e.pop("resourceName"), "resourceName"),
    (lambda e: e.update(resourceName="kubelet"), "resourceName"),
    (lambda e: e.update(resourceName="x" * 64), "resourceName"),
    (lambda e: e.update(resourceName=5), "resourceName"),
    (lambda e: e.update(resourcePrefix="Bad Prefix/.."), "resourcePrefix"),
    (lambda e: e.update(resourcePrefix="kubernetes.io"), "resourcePrefix"),
    (lambda e: e.pop("rdmaHcaMax"), "rdmaHcaMax"),
    (lambda e: e.update(rdmaHcaMax=-1), "rdmaHcaMax"),
    (lambda e: e.update(rdmaHcaMax=5_000_000), "rdmaHcaMax"),
    (lambda e: e.update(rdmaHcaMax="63"), "rdmaHcaMax"),
    (lambda e: e.update(devices=["ib0"]), "devices"),
    (lambda e: e["selectors"].update(vendors=["mellanox"]), "selectors.vendors[0]"),
    (lambda e: e["selectors"].update(deviceIDs=[1021]), "selectors.deviceIDs[0]"),
    (lambda e: e["selectors"].update(linkTypes="ether"), "selectors.linkTypes"),
    (lambda e: e["selectors"].update(drivers=[""]), "selectors.drivers"),
    (lambda e: e["selectors"].update(pciAddresses=["x"]), "selectors.pciAddresses[0]"),
    (lambda e: e["selectors"].update(exclude={"pfNames": ["#"]}), "selectors.exclude.pfNames[0]"),
    (lambda e: e["selectors"].update(numaNodes=[-1]), "selectors.numaNodes[0]"),
    (lambda e: e.update(slotsPer="x"), "slotsPer"),
    (lambda e: e.update(env={"1": "hcas"}), "env.1"),
]


@given(configs, st.lists(st.tuples(st.integers(0, 3), st.sampled_from(DEFECTS)), min_size=1))
def test_all_defects_are_reported_together(data: Any, defects: list[tuple[int, Defect]]) -> None:
    listed = data["configList"]
    expected = set()
    for at, (injure, path) in defects:
        whole = f"configList[{at % len(listed)}].{path}"
        if whole not in expected:  # a second defect in the same place would hide the first
            injure(listed[at % len(listed)])
            expected.add(whole)
    said = outcome(json.dumps(data))
    assert isinstance(said, ConfigError)
    assert {problem.path for problem in said.problems} == expected
