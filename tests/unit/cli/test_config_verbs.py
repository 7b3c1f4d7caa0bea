from pathlib import Path

import pytest

from rdma_dp.config import load
from tests.paths import CONFIGS
from tests.unit.cli.process import rdma_dp


@pytest.mark.parametrize("config", sorted(CONFIGS.iterdir()), ids=lambda path: path.name)
def test_each_example_is_good(config: Path) -> None:
    ended = rdma_dp("check-config", config)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines()[-1].startswith(f"{config}: good, ")


def test_problems_are_lines_of_file_path_message_and_hint(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(
        '{"configList": [{"resourceName": "a b", "rdmaHcaMax": 0,'
        ' "selectors": {"vendors": ["mellanox"]}}]}'
    )
    ended = rdma_dp("check-config", config)
    assert (ended.code, ended.err) == (1, "")
    lines = ended.out.splitlines()
    assert [line.split(": ")[0] for line in lines] == [
        f"{config}:configList[0].rdmaHcaMax",
        f"{config}:configList[0].resourceName",
        f"{config}:configList[0].selectors.vendors[0]",
    ]
    assert lines[2].endswith(")")
    assert "15b3" in lines[2]


def test_a_warning_is_marked_and_no_failure(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(
        '{"configList": [{"resourceName": "a", "rdmaHcaMax": 1,'
        ' "selectors": {"vendors": ["0x15B3"]}}]}'
    )
    ended = rdma_dp("check-config", config)
    assert ended.code == 0
    warning, verdict = ended.out.splitlines()
    assert warning.startswith(f"{config}:configList[0].selectors.vendors[0]: ")
    assert warning.endswith(" [warning]")
    assert verdict == f"{config}: good, 1 resource"


@pytest.mark.parametrize("content", [None, "", "{", "[]", "\0"])
def test_what_is_no_config_is_exit_1_and_names_the_file(
    content: str | None, tmp_path: Path
) -> None:
    config = tmp_path / "config.json"
    if content is not None:
        config.write_text(content)
    ended = rdma_dp("check-config", config)
    assert (ended.code, ended.err) == (1, "")
    assert ended.out.splitlines()[0].startswith(f"{config}:")


def test_the_schema_is_json_and_describes_every_setting() -> None:
    ended = rdma_dp("schema")
    assert (ended.code, ended.err) == (0, "")
    schema = ended.document
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    models = [schema, *schema["$defs"].values()]
    undescribed = [
        name
        for model in models
        for name, field in model["properties"].items()
        if not field.get("description")
    ]
    assert undescribed == []
    assert {"periodicUpdateInterval", "configList"} <= set(schema["properties"])
    resource = schema["$defs"]["Resource"]["properties"]
    assert {"resourceName", "resourcePrefix", "rdmaHcaMax", "selectors", "devices"} <= set(resource)


@pytest.mark.parametrize("config", sorted(CONFIGS.iterdir()), ids=lambda path: path.name)
def test_each_example_as_json_is_the_same_config_in_a_policy(config: Path, tmp_path: Path) -> None:
    """Network Operator joins the lines, and puts them between apostrophes."""
    ended = rdma_dp("check-config", config, "-o", "json")
    assert ended.code == 0
    assert "'" not in ended.out
    joined = tmp_path / "config.json"
    joined.write_text(" ".join(ended.out.splitlines()))
    assert load(joined).config == load(config).config


def test_json_has_its_warnings_on_stderr_and_no_apostrophe(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        "configList: [{resourceName: a, rdmaHcaMax: 1, selectors: {vendors: [0x15B3], "
        'ifNames: ["it\'s"]}}]'
    )
    ended = rdma_dp("check-config", config, "--output", "json")
    assert ended.code == 0
    assert ended.document == {
        "configList": [
            {
                "resourceName": "a",
                "rdmaHcaMax": 1,
                "selectors": {"vendors": ["15b3"], "ifNames": ["it's"]},
            }
        ]
    }
    assert "'" not in ended.out
    assert "[warning]" in ended.err


def test_a_bad_config_as_json_is_exit_1_with_its_problems(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("configList: [{resourceName: a, rdmaHcaMax: 0, devices: [x]}]")
    ended = rdma_dp("check-config", config, "-o", "json")
    assert ended.code == 1
    assert f"{config}:configList[0].rdmaHcaMax: " in ended.out
