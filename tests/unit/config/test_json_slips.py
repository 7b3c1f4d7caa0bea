"""C1, C2: a text that begins as JSON is read as what it says, or refused with its place."""

import contextlib
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdma_dp.config import ConfigError, ConfigMissing, Selectors, Traits, parse
from rdma_dp.config.syntax import read
from tests.unit.config.test_config_properties import configs
from tests.unit.config.texts import ENTRY, accepted, refused, text, warned

PLACE = re.compile(r"[0-9]+:[0-9]+")
COMMENTS = ["// c\n", "# c\n", "/* c */", '// "c", {\n', '/* "c",\n "d" */', '# it"s\n', "//\n"]


def selectors_of(listed: str) -> str:
    return f'{{"configList": [{{"resourceName": "a", "rdmaHcaMax": 63, "selectors": {listed}}}]}}'


@pytest.mark.parametrize("comment", COMMENTS)
@pytest.mark.parametrize(
    "template",
    [
        "@{SELECTORS}",
        "{@SELECTORS}",
        '{@"ifNames": ["ib0", "ib1"]}',
        '{"ifNames"@: ["ib0", "ib1"]}',
        '{"ifNames":@ ["ib0", "ib1"]}',
        '{"ifNames": [@"ib0", "ib1"]}',
        '{"ifNames": ["ib0"@, "ib1"]}',
        '{"ifNames": ["ib0", @"ib1"]}',
        '{"ifNames": ["ib0", "ib1"@]}',
        '{"ifNames": ["ib0", "ib1"]@}',
        '{"ifNames": ["ib0", "ib1"]}@',
    ],
)
def test_a_comment_changes_nothing_and_is_named(template: str, comment: str) -> None:
    """C1, C2: comments of all kinds at all places; YAML joined them with the next value."""
    inner = '"ifNames": ["ib0", "ib1"]'
    if template.startswith("@"):
        config = comment + selectors_of(f"{{{inner}}}")
    else:
        config = selectors_of(template.replace("SELECTORS", inner)).replace("@", comment)
    assert accepted(config).config == accepted(selectors_of(f"{{{inner}}}")).config
    ((place, message),) = warned(config).items()
    assert message.startswith("JSON has no comments; this one is ignored (")
    line, _, column = place.partition(":")
    assert config.splitlines()[int(line) - 1][int(column) - 1 :].startswith(comment.splitlines()[0])


def test_a_comment_hides_a_value_in_exclude_only_if_it_is_in_the_comment() -> None:
    """C1: an excluded NIC was handed out, because the comment and its name became one word."""
    exclude = '{"ifNames": ["ib0", // storage\n "ib1" /* , "ib2" */]}'
    config = selectors_of(f'{{"vendors": ["15b3"], "exclude": {exclude}}}')
    assert accepted(config).config.config_list[0].selectors == Selectors(
        vendors=("15b3",), exclude=Traits(if_names=("ib0", "ib1"))
    )


@pytest.mark.parametrize("value", ["a//b", "/* b */", "# b", "a,]", "0000:18:00.*", "https://x"])
def test_strings_that_look_like_a_comment_are_untouched(value: str) -> None:
    reading = read(json.dumps({"a": [value, "b"]}))
    assert (reading.data, reading.warnings) == ({"a": [value, "b"]}, ())


def test_a_comma_behind_the_last_value_is_ignored_and_named_once() -> None:
    config = '{"configList": [{"resourceName": "a", "rdmaHcaMax": 63,\n'
    config += ' "selectors": {"vendors": ["15b3",], } // c\n }, ],}'
    assert accepted(config).config == accepted(text(ENTRY)).config
    message = "JSON has no comma behind the last value; this one and 3 more are ignored"
    assert warned(config)["2:35"].startswith(message)


@pytest.mark.parametrize("config", ["// nothing yet", "/* nothing\n yet */", "# nothing\n// yet"])
def test_a_config_with_only_comments_is_missing(config: str) -> None:
    with pytest.raises(ConfigMissing):
        accepted(config)


@pytest.mark.parametrize(
    ("slip", "place", "named"),
    [
        ('{"ifNames": ["ib0" "ib1"]}', '"ib1"', 'a comma is missing before "\\"ib1\\""'),
        ('{"ifNames": ["ib0"] "vendors": []}', '"vendors"', "a comma is missing before"),
        ('{"ifNames" ["ib0"]}', '["ib0', "a colon is missing behind the key"),
        ('{"ifNames": ["ib0, "ib1"]}', "ib1", '"ib1" is not a number, true, false or null'),
        ('{"ifNames": ["ib0", ib1"]}', "ib1", '"ib1" is not a number, true, false or null'),
        ('{"ifNames": ["ib0", "ib1]}\n', '"ib1', 'this string has no " at its end'),
        ('{"ifNames": ["ib0", ib1]}', "ib1", 'a text needs double quotes: "ib1"'),
        ('{"deviceIDs": [101b]}', "101b", 'a text needs double quotes: "101b"'),
        ('{"deviceIDs": [0017]}', "0017", '"0017" is not a number'),
        ("{'ifNames': ['ib0']}", "'ifNames'", "a text in single quotes"),
        ('{"ifNames": [\u201cib0\u201d]}', "\u201cib0", "a text in typographic quotes"),
        ("{ifNames: ['ib0']}", "ifNames", '"ifNames" is not a number'),
        ('{"topology": True}', "True", "True is not a word of JSON (write true)"),
        ('{"topology": None}', "None", "None is not a word of JSON (write null)"),
        ('{"numaNodes": [NaN]}', "NaN", '"NaN" is not a number'),
        ('{"numaNodes": [-Infinity]}', "-Infinity", '"-Infinity" is not a number'),
        ('{"numaNodes": [-Infinity60]}', "-Infinity60", '"-Infinity60" is not a number'),
        ('{"resourceName": NaNs"}', "NaNs", '"NaNs" is not a number'),
        ('{"ifNames": ["a\tb"]}', "\tb", "invalid control character"),
        ('{"ifNames": ["a\\x"]}', "\\x", "invalid \\escape"),
        ('{\u00a0"ifNames": ["ib0"]}', "\u00a0", "an invisible character (U+00A0)"),
        ('{"ifNames": ["ib0"}]', "}]", "} does not close the last ["),
        ('{"ifNames": ["ib0"]} /* c', "/* c", "this comment has no */ at its end"),
        ('{"ifNames": {{ .Values.names }}}', "{ .V", "two { in a row (if this is a template"),
        ('{"ifNames": ${NAMES}}', "${NAMES", "a placeholder was left in"),
        ('{"numaNodes": [$NODE]}', "$NODE", "a placeholder was left in"),
        ('{"ifNames": <the names>}', "<the", "a placeholder was left in"),
        ('{"ifNames": {names}}', "names}", "a placeholder was left in"),
        ('{"ifNames": {% names %}}', "% n", "a placeholder was left in"),
        ('{"numaNodes": [TODO]}', "TODO", "a placeholder was left in"),
        ('{"numaNodes": [0], <!-- c -->', "<!--", "JSON has no comments (remove it)"),
        ('{"numaNodes": [0 -- c', "-- c", "JSON has no comments (remove it)"),
        ('{"numaNodes": [0; 1]}', "; 1", "; where , belongs"),
        ('{"ifNames": ["ib0"]; "a": 1}', "; ", "; where , belongs"),
        ('{"numaNodes": [0x3f]}', "0x3f", 'write 63, or as a PCI ID "0x3f"'),
        ('{"numaNodes": [1_000]}', "1_000", '"1_000" is no number of JSON (write 1000)'),
        ('{"ifNames": [,"ib0"]}', ',"ib0', ", is out of place here"),
        ('{"ifNames": ["ib0",,"ib1"]}', ',"ib1', ", is out of place here"),
    ],
)
def test_a_slip_is_named_with_its_place(slip: str, place: str, named: str) -> None:
    """C2, C4: also comments of other languages, and placeholders without quotes."""
    config = '{"configList": [{\n"selectors": ' + slip + "}]}"
    ((path, message),) = refused(config).items()
    line = config.splitlines()[1]
    assert path == f"2:{line.index(place) + 1}"
    assert message.startswith("is not JSON: ")
    assert named in message


@pytest.mark.parametrize("slip", ["/*", '"\\', '\\"', "//\n", "#", "['", "{{", ",,"])
def test_a_large_file_of_slips_is_refused_at_once(slip: str) -> None:
    """The time is linear: a comment or a string without an end is read once."""
    assert refused("{" + slip * (1_000_000 // len(slip)))


@pytest.mark.parametrize("second", ['{"configList": []}', "x", "---\n{}", "]", "\ufeff{}"])
def test_a_second_document_is_refused(second: str) -> None:
    config = f"{text(ENTRY)}\n{second}"
    ((path, message),) = refused(config).items()
    assert path == "2:1"
    assert "something follows behind its end" in message


def test_an_end_that_is_missing_is_named_with_what_it_belongs_to() -> None:
    ((path, message),) = refused('{"configList": [\n {"resourceName": "a"').items()
    assert path == "2:22"
    assert message == "is not JSON: it ends before the { of 2:2 is closed (add }]})"


def test_a_comment_in_a_text_of_one_line_hides_the_rest() -> None:
    """Network Operator puts the config of a NicClusterPolicy on one line."""
    (message,) = refused(
        '{"configList": [{"rdmaHcaMax": 63, // slots "resourceName": "a"}]}'
    ).values()
    assert "JSON with comments, whose lines were joined" in message


def test_yaml_flow_mappings_are_yaml() -> None:
    """A key without quotes shows that a text with braces is YAML."""
    yaml = "{configList: [{resourceName: a, rdmaHcaMax: 63, selectors: {vendors: [15b3]}}]}"
    assert accepted(yaml) == accepted(text(ENTRY))
    assert accepted(f"# c\n---\n{yaml} # c") == accepted(text(ENTRY))


@pytest.mark.parametrize(
    "config",
    [
        "// c\n{configList: [{resourceName: a}]}",
        "{ // c\n configList: [{resourceName: a}]}",
        "/* c */ {configList: [{resourceName: a}]}",
        "// c\nconfigList:\n- resourceName: a\n",
        "configList:\n// c\n- resourceName: a\n",
    ],
)
def test_yaml_has_only_comments_of_its_own(config: str) -> None:
    ((path, message),) = refused(config).items()
    assert PLACE.fullmatch(path)
    assert message.endswith("(a comment of YAML begins with #)")


@pytest.mark.parametrize(
    "listed",
    [
        '["ib0", // first\n   "ib1"]',
        '["ib0", "ib1" // second\n  ]',
        '["ib0", /* "ib1", */ "ib2"]',
        '["ib0", ib1"]',
        '["ib0"], "drivers":, "x"',
        "[ib0 ib1]",
        "[ib0\n   ib1]",
        '["ib0,\n   ib1"]',
        '["ib0", // first\n   ib1]',
        "\n    - ib0 // first\n    - ib1",
        "\n    - ib0\n      ib1",
        "\n    // both\n    - ib0",
        "\n    - // ib0",
    ],
)
@pytest.mark.parametrize("key", ["ifNames", "exclude"])
def test_a_slip_of_json_inside_yaml_is_refused_too(listed: str, key: str) -> None:
    """C1: YAML makes one value of a comment of JSON and the next value."""
    listed = f"{{ifNames: {listed}}}" if key == "exclude" else listed
    config = "configList:\n- resourceName: a\n  rdmaHcaMax: 1\n  selectors:\n    vendors: [15b3]\n"
    ((path, message),) = refused(f"{config}    {key}: {listed}\n").items()
    assert PLACE.fullmatch(path)
    assert message.startswith("is not YAML")


def test_free_text_under_an_unknown_key_is_no_slip() -> None:
    yaml = "note: two words, and\n  a second line\nurl: https://example.com/a\nmore: |\n  // x\n"
    yaml += "configList:\n- {resourceName: a, rdmaHcaMax: 63, selectors: {vendors: [15b3]}}\n"
    assert accepted(yaml).config == accepted(text(ENTRY)).config


# --- all slips at all places --------------------------------------------------------------------

# Tokens of JSON, and the parts of them that a slip can lose: quotes and marks, never a letter.
TOKEN = re.compile(r'"[^"]*"|[\w-]+|[{}\[\],:]')
OTHERS = (
    ",|,,|\"|'|{|}|[|]|:|//|#|/*|*/|\n|\t|x|//x|# x|\u201c|\u00a0|\ufeff|NaN|True|---\n|- |\\|;"
)

comments = st.lists(st.tuples(st.integers(0, 10**6), st.sampled_from(COMMENTS)), max_size=3)
slip_at = st.integers(0, 10**6)
inserted = st.sampled_from([*COMMENTS, *OTHERS.split("|")])


def with_comments(whole: str, listed: list[tuple[int, str]]) -> str:
    """The text with comments in front of some of its tokens."""
    ends = [0, *(token.end() for token in TOKEN.finditer(whole))]
    for where, comment in sorted(listed, key=lambda each: each[0] % len(ends), reverse=True):
        at = ends[where % len(ends)]
        whole = whole[:at] + comment + whole[at:]
    return whole


def same_or_refused(slipped: str, whole: str) -> None:
    """As JSON, and as the YAML that JSON is behind ---."""
    with contextlib.suppress(ConfigError):
        assert parse(f"---\n{slipped}").config == parse(whole).config
    try:
        loaded = parse(slipped)
    except ConfigMissing:
        assert slipped.lstrip().startswith(("#", "/"))  # a comment hides the only line
        return
    except ConfigError as error:
        (problem,) = error.problems
        # "- " in front of everything makes a list of it, which has no place. A comment in a text
        # of one line hides keys.
        placeless = ("not a list", "JSON with comments, whose lines were joined")
        assert PLACE.fullmatch(problem.path) or any(each in problem.message for each in placeless)
        return
    assert loaded.config == parse(whole).config


@given(configs, slip_at, inserted, comments)
def test_what_is_inserted_between_two_values_is_no_part_of_them(
    data: Any, where: int, new: str, listed: list[tuple[int, str]]
) -> None:
    """C1: a config with a slip means what it says without it, or is refused with a place."""
    whole = json.dumps(data, indent=where % 2 or None)
    ends = [0, *(token.end() for token in TOKEN.finditer(whole))]
    at = ends[where % len(ends)]
    if not new.strip("\ufeff") and at == 0:
        return  # a byte order mark
    same_or_refused(with_comments(whole[:at], listed) + new + whole[at:], whole)


@given(configs, slip_at, st.integers(1, 2), comments)
def test_what_is_missing_between_two_values_joins_none_of_them(
    data: Any, where: int, length: int, listed: list[tuple[int, str]]
) -> None:
    """C1: without a quote, a comma, a colon or a bracket."""
    whole = json.dumps(data, indent=where % 2 or None)
    marks = [
        at
        for token in TOKEN.finditer(whole)
        if token.group()[0] in '"{}[],:'
        for at in {token.start(), token.end() - 1}
    ]
    at = marks[where % len(marks)]
    length = length if at + 1 in marks else 1
    same_or_refused(whole[:at] + with_comments(whole[at + length :], listed), whole)
