"""A config whose lines Network Operator has joined: YAML and comments are destroyed."""

import re
from pathlib import Path

import pytest
import yaml

from rdma_dp.config import ConfigError, ConfigMissing, parse
from tests.paths import CONFIGS
from tests.unit.config.texts import refused

HINT = "the operator keeps JSON only: rdma-dp check-config -o json FILE prints it"
EXAMPLES = sorted(CONFIGS.glob("*.yaml"))
JSON = '{ "configList": [\n  { "resourceName": "a", "rdmaHcaMax": 63, "devices": ["x"] }\n] }\n'


def folded(text: str) -> str:
    """What comes out of the operator's template, which has `config.json: '...'`."""
    plain = text.replace("'", "")
    indented = plain.replace("\n", "\n    ")
    found = yaml.safe_load(f"data:\n  config.json: '{indented}'\n")
    return str(found["data"]["config.json"])


def without_comments(text: str) -> str:
    return re.sub(r"(?m)(^|\s)#.*$", "", text)


def without_blank_lines(text: str) -> str:
    return re.sub(r"\n\s*\n+", "\n", text)


@pytest.mark.parametrize("blank_lines", [True, False])
@pytest.mark.parametrize("comments", [True, False])
@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_every_example_in_yaml_is_recognised(file: Path, comments: bool, blank_lines: bool) -> None:
    text = file.read_text()
    text = text if comments else without_comments(text)
    text = text if blank_lines else without_blank_lines(text)
    (message,) = refused(folded(text)).values()
    assert HINT in message


@pytest.mark.parametrize(
    "text",
    [
        "configList:\n- rdmaHcaMax: 63\n  resourceName: a\n  selectors:\n    vendors: [15b3]\n",
        "configList:\n- resourceName: a\n  rdmaHcaMax: 1\n  selectors:\n    vendors:\n    - 15b3\n",
        'configList:\n- "resourceName": "a"\n  "rdmaHcaMax": 1\n  "devices": [x]\n',
        "cdi: cri\nconfigList: [{resourceName: a, rdmaHcaMax: 1, devices: [x]}]\n",
        "# note\nconfigList: [{resourceName: a, rdmaHcaMax: 1, devices: [x]}]\n",
        "configList: # note\n- {resourceName: a, rdmaHcaMax: 1, devices: [x]}\n",
        "---\nconfigList:\n- resourceName: a\n  rdmaHcaMax: 1\n  devices: [x]\n",
        "configlist:\n- resourcename: a\n  rdmahcamax: 1\n  devices: [x]\n",
        f"# note\n{JSON}",
        f"// note\n{JSON}",
        JSON.replace("[\n", "[ // note\n"),
        JSON.replace("63, ", "63, # note\n"),
    ],
)
def test_further_texts_are_recognised(text: str) -> None:
    assert parse(text).config.config_list[0].resource_name == "a"
    (message,) = refused(folded(text)).values()
    assert HINT in message


def test_json_keeps_its_meaning() -> None:
    assert parse(folded(JSON)).config == parse(JSON).config


@pytest.mark.parametrize(
    "text",
    [
        "# configList: [{resourceName: a, rdmaHcaMax: 1, devices: [x]}]\n",
        "# only a note\n",
        "# selectors: those of the node\n",
        "",
    ],
)
def test_a_file_of_comments_is_no_config_yet(text: str) -> None:
    with pytest.raises(ConfigMissing):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "configList:\n- resourceName: a rdmaHcaMax: 1\n  devices: [x]\n",
        JSON.replace("] }", ""),
        JSON.replace("63", "x"),
        "configList: [{resourceName: a, rdmaHcaMax: x, devices: [x]}]",
        '{"configList": [{"resourceName": "a", "rdmaHcaMax": 0, "devices": ["x"]}]}',
        "configList: 5",
    ],
)
def test_other_errors_keep_their_messages(text: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse(text)
    assert HINT not in str(error.value)
