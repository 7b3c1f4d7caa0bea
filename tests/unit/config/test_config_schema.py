"""The JSON Schema for editors has every key, with a description."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from rdma_dp.config import CdiMode, ConfigDocument, json_schema
from rdma_dp.config.dra_settings import DraSettingsDocument
from rdma_dp.config.health_settings import HealthDocument
from rdma_dp.config.metrics_settings import MetricsSettingsDocument
from rdma_dp.config.models import ResourceDocument
from rdma_dp.config.selectors import SelectorsDocument, TraitsDocument
from rdma_dp.formats.list_size import MOST_SLOTS

MODELS: list[tuple[type[BaseModel], list[str]]] = [
    (ConfigDocument, []),
    (MetricsSettingsDocument, ["$defs", "MetricsSettings"]),
    (DraSettingsDocument, ["$defs", "DraSettings"]),
    (ResourceDocument, ["$defs", "Resource"]),
    (HealthDocument, ["$defs", "Health"]),
    (SelectorsDocument, ["$defs", "Selectors"]),
    (TraitsDocument, ["$defs", "Traits"]),
]


def properties() -> Iterator[tuple[str, dict[str, Any]]]:
    for _, steps in MODELS:
        node = json_schema()
        for step in steps:
            node = node[step]
        yield from node["properties"].items()


def test_it_is_draft_2020_12_with_a_title() -> None:
    schema = json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["title"] == "rdma-dp config"
    assert schema["required"] == ["configList"]


def test_every_key_is_described_with_an_example_and_without_a_made_up_title() -> None:
    seen = dict(properties())
    assert set(seen) == {
        field.alias for model, _ in MODELS for field in model.model_fields.values()
    }
    for name, node in seen.items():
        assert len(node["description"]) > 30, name
        assert node["examples"], name
        assert "title" not in node, name


def test_it_states_the_limits_that_parse_enforces() -> None:
    nodes = dict(properties())
    assert (nodes["rdmaHcaMax"]["minimum"], nodes["rdmaHcaMax"]["maximum"]) == (1, MOST_SLOTS)
    assert nodes["configList"]["minItems"] == 1
    assert nodes["periodicUpdateInterval"]["minimum"] == 0
    assert nodes["periodicUpdateInterval"]["default"] == 60
    assert nodes["resourcePrefix"]["default"] == "rdma"
    assert nodes["vendors"]["items"]["pattern"] == "^[0-9a-f]{4}$"
    assert nodes["linkTypes"]["items"]["enum"] == ["ether", "infiniband"]
    assert nodes["functionTypes"]["items"]["enum"] == ["pf", "vf", "sf", "virtual"]
    assert nodes["numaNodes"]["items"] == {"type": "integer", "minimum": 0, "maximum": 1023}
    assert nodes["slotsPer"]["enum"] == ["resource", "hca"]
    assert nodes["preference"]["enum"] == ["spread", "pack"]
    assert nodes["counters"]["enum"] == ["none", "trouble", "all"]
    assert nodes["pods"]["enum"] == ["none", "allocations", "queuePairs"]
    assert (nodes["minInterval"]["minimum"], nodes["minInterval"]["default"]) == (1, 15)
    assert nodes["cdi"]["anyOf"][0]["enum"] == list(CdiMode)
    assert list(nodes["env"]["patternProperties"].values()) == [{"enum": ["hcas", "ports"]}]
    assert nodes["devices"]["deprecated"] is True


def test_it_knows_the_ways_to_select() -> None:
    resource = json_schema()["$defs"]["Resource"]
    ways = [way["required"] for way in resource["anyOf"]]
    assert ways == [["selectors"], ["extraSelectors"], ["devices"]]
    assert resource["not"] == {"required": ["selectors", "devices"]}


def test_its_patterns_take_the_examples() -> None:
    nodes = dict(properties())
    for name in ("vendors", "deviceIDs", "pciAddresses", "pfNames", "rdmaDevices"):
        pattern = nodes[name]["items"]["pattern"]
        for example in nodes[name]["examples"]:
            assert all(re.search(pattern, value) for value in example), name


@pytest.mark.parametrize(
    ("name", "refused"),
    [
        ("pfNames", ["2-3", "2", "ens1f0#99999999999", "ens1f0#", "#1", "ens1f0,ens1f1"]),
        ("rdmaDevices", ["mlx5_0,mlx5_1", "mlx5_{0,1}", "mlx5_0:1", ""]),
    ],
)
def test_its_patterns_refuse_what_parse_refuses(name: str, refused: list[str]) -> None:
    pattern = dict(properties())[name]["items"]["pattern"]
    assert not [value for value in refused if re.search(pattern, value)]


def test_its_patterns_are_go_regular_expressions_too() -> None:
    assert "(?" not in str(json_schema())  # helm uses it, and RE2 has no lookaround


def test_unknown_keys_stay_allowed_where_parse_only_warns_of_them() -> None:
    schema = json_schema()
    closed = [name for name, node in schema["$defs"].items() if "additionalProperties" in node]
    assert closed == ["Traits"]  # exclude
    assert schema["$defs"]["Traits"]["additionalProperties"] is False
    assert "additionalProperties" not in schema


def test_a_variable_that_the_pattern_does_not_take_is_none() -> None:
    env = dict(properties())["env"]
    assert list(env["patternProperties"]) == ["^[-._a-zA-Z][-._a-zA-Z0-9]*$"]
    assert env["additionalProperties"] is False
