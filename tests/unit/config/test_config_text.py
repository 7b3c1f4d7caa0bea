"""Parsing of JSON and YAML: plain data, syntax errors, and limits."""

import json
from pathlib import Path

import pytest

from rdma_dp.config import Config, ConfigError, ConfigMissing, load
from rdma_dp.config.file_content import MAX_BYTES
from rdma_dp.config.syntax import MAX_DEPTH, read
from rdma_dp.config.trees import MAX_VALUES
from tests.unit.config.texts import ENTRY, accepted, refused, text

VALID = text(ENTRY)


def only_entry(config: Config) -> tuple[object, ...]:
    (resource,) = config.config_list
    return resource.resource_name, resource.rdma_hca_max, resource.selectors


def test_yaml_means_what_the_same_json_means() -> None:
    yaml = """
    # a comment
    configList:
      - resourceName: a
        rdmaHcaMax: 63
        selectors:
          vendors: [15b3]
    """
    assert accepted(yaml) == accepted(VALID)


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ("15b3", "15b3"),
        ("1021", "1021"),  # YAML: an int
        ("0017", "0017"),  # YAML 1.1: octal 15
        ("0x101b", "101b"),  # YAML: 4123
        ("1e10", "1e10"),  # YAML 1.2: a float
        ("10:1", None),  # YAML 1.1: base 60
        ("1_01", None),  # YAML 1.1: 101
        ('"1021"', "1021"),
        ("'101b'", "101b"),
    ],
)
def test_a_hex_id_in_yaml_is_taken_as_written(written: str, read_as: str | None) -> None:
    yaml = (
        f"configList: [{{resourceName: a, rdmaHcaMax: 1, selectors: {{deviceIDs: [{written}]}}}}]"
    )
    yaml = f"# YAML\n{yaml}"
    if read_as is None:
        assert written in refused(yaml)["configList[0].selectors.deviceIDs[0]"]
    else:
        assert accepted(yaml).config.config_list[0].selector_sets[0].device_ids == (read_as,)


@pytest.mark.parametrize("name", ["no", "on", "123", "1e5", "2026-01-01"])
def test_a_name_in_yaml_is_taken_as_written(name: str) -> None:
    yaml = f"configList:\n- resourceName: {name}\n  rdmaHcaMax: 1\n  devices: [{name}]\n"
    (resource,) = accepted(yaml).config.config_list
    assert (resource.resource_name, resource.selector_sets[0].if_names) == (name, (name,))


@pytest.mark.parametrize("number", ["0x3f", "077", "1_000", "63.0", '"63"', "1:3", "+63", "yes"])
def test_a_number_in_yaml_is_written_in_plain_digits(number: str) -> None:
    yaml = f"configList:\n- resourceName: a\n  rdmaHcaMax: {number}\n  devices: [x]\n"
    message = refused(yaml)["configList[0].rdmaHcaMax"]
    assert message.startswith("must be a whole number, not ")
    assert number in message


def test_yaml_aliases_and_merge_keys_work() -> None:
    yaml = """
    shared: &shared {rdmaHcaMax: 63, selectors: &mellanox {vendors: [15b3]}}
    configList:
      - {resourceName: a, <<: *shared}
      - {resourceName: b, <<: [*shared, {rdmaHcaMax: 5}]}
      - {resourceName: c, <<: *shared, rdmaHcaMax: 7}
      - {resourceName: d, rdmaHcaMax: 9, selectors: *mellanox}
    """
    resources = accepted(yaml).config.config_list
    assert [(r.resource_name, r.rdma_hca_max) for r in resources] == [
        ("a", 63),
        ("b", 63),
        ("c", 7),
        ("d", 9),
    ]
    assert {r.selector_sets[0].vendors for r in resources} == {("15b3",)}


@pytest.mark.parametrize("empty", ["", " \n\t", "\ufeff", "# nothing yet\n"])
def test_a_config_with_nothing_in_it_is_missing(empty: str) -> None:
    with pytest.raises(ConfigMissing):
        accepted(empty)


@pytest.mark.parametrize("broken", ["null", "[]", "63", '"text"', "--- null"])
def test_the_top_must_be_an_object(broken: str) -> None:
    assert refused(broken)[""].startswith("must be an object, not ")


@pytest.mark.parametrize(
    ("broken", "place", "word"),
    [
        ('{"configList": [\n  {"resourceName" "a"}]}', "2:19", "JSON"),
        ('{"configList": []', "1:18", "JSON"),
        ('{"configList": []} x', "1:20", "JSON"),
        ("configList:\n\t- a", "2:1", "YAML"),
        ("configList: [a", "1:15", "YAML"),
        ("configList: *nowhere", "1:13", "YAML"),
        ("a: 1\n---\nb: 2", "3:1", "YAML"),
        ("? [a, b]\n: 1", "1:3", "YAML"),
        ("a: {<<: 5}", "1:9", "YAML"),
        ("a: b\x07", "1:5", "YAML"),
    ],
)
def test_a_syntax_error_has_its_line_and_column(broken: str, place: str, word: str) -> None:
    ((path, message),) = refused(broken).items()
    assert path == place
    assert f"is not {word}" in message


@pytest.mark.parametrize("glob", ["*np0", "*", "*np*"])
def test_a_glob_without_quotes_in_yaml_gets_a_hint(glob: str) -> None:
    yaml = "configList:\n- resourceName: a\n  rdmaHcaMax: 1\n  selectors:\n    ifNames:\n"
    (message,) = refused(f"{yaml}    - {glob}\n").values()
    assert message.endswith('(a glob that begins with * needs quotes: "*np0")')


@pytest.mark.parametrize("nested", ["[" * 5000, '{"a":' * 5000, "a: &a [*a]", "a: &a {<<: *a}"])
def test_depth_is_bounded(nested: str) -> None:
    assert "nested deeper" in refused(nested)[""]


@pytest.mark.parametrize("levels", [34, 990, 50_000])
@pytest.mark.parametrize("form", ['{"a":', "[", '[{"a": [], "b":'])
def test_the_limit_of_depth_is_ours_and_not_that_of_a_python(form: str, levels: int) -> None:
    """Each Python has its own limit. One that reads further reports a slip behind our limit."""
    message = refused(form * levels)[""]
    assert message == f"is nested deeper than {MAX_DEPTH} levels"


def test_the_innermost_level_may_be_empty() -> None:
    text = "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)
    assert "nested deeper" not in refused(text).get("", "")
    assert "nested deeper" in refused(text.replace("[]", "[1]"))[""]


def test_a_bomb_of_yaml_aliases_is_defused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    assert f"more than {MAX_VALUES} values" in refused("\n".join(lines))[""]


def test_a_bomb_of_yaml_merges_is_defused() -> None:
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}]}}" for i in range(1, 30)]
    assert f"more than {MAX_VALUES} values" in refused("\n".join(lines))[""]


@pytest.mark.parametrize("form", ["[{}]", "- {}"])
def test_the_number_of_values_is_bounded(form: str) -> None:
    many = form.format(", ".join(['"x"'] * (MAX_VALUES + 1)) if form == "[{}]" else "x")
    many = many if form == "[{}]" else "\n".join([many] * (MAX_VALUES + 1))
    assert f"more than {MAX_VALUES} values" in refused(many)[""]


def test_the_size_is_bounded(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(VALID + " " * MAX_BYTES)
    with pytest.raises(ConfigError, match=f"larger than {MAX_BYTES} bytes"):
        load(file)
    with pytest.raises(ConfigError, match=f"larger than {MAX_BYTES} bytes"):
        read("é" * (MAX_BYTES // 2 + 1))
    file.write_text(VALID.ljust(MAX_BYTES))
    assert load(file) == accepted(VALID)


def test_bytes_that_are_not_utf8_are_reported_with_their_place(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_bytes(b"# gr\xc3\xbcn\n# gr\xfcn\n")
    with pytest.raises(ConfigError) as caught:
        load(file)
    (problem,) = caught.value.problems
    assert problem.in_file("F") == "F:2:5: is not UTF-8 (byte 0xfc) (save the file as UTF-8)"


def test_a_byte_order_mark_is_tolerated(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(VALID, encoding="utf-8-sig")
    assert load(file) == accepted(VALID)


def test_a_file_that_is_not_there_is_missing_and_a_directory_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigMissing, match="no such file"):
        load(tmp_path / "config.json")
    with pytest.raises(ConfigError, match="directory") as caught:
        load(tmp_path)
    assert not isinstance(caught.value, ConfigMissing)


def test_a_problem_is_one_line_whatever_the_file_holds() -> None:
    evil = json.dumps({"configList": [{"a\n\u001b[31m": 1, "resourceName": "x\ny\ud800" * 99}]})
    with pytest.raises(ConfigError) as caught:
        accepted(evil)
    for problem in caught.value.problems + caught.value.warnings:
        assert str(problem).isprintable()
        assert len(str(problem)) < 1500
