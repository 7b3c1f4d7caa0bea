import string
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rdma_dp.errors import RdmaDpError
from simulator import host


def test_scalars_are_kept_as_text() -> None:
    manifest = host.parse(
        """
        title: x
        functions:
          0000:18:00.0: {id: 15b3:101e, class: 0207, numa: 1}
        """,
        "here",
    )
    [(address, function)] = manifest.functions.items()
    assert address == "0000:18:00.0"
    assert (function.vendor, function.device) == ("15b3", "101e")
    assert function.pci_class == "0207"
    assert function.numa == 1


def test_lists_of_names_are_short_for_mappings() -> None:
    short = host.parse("{title: x, virtual: {net: [a, b]}}", "here")
    long = host.parse("title: x\nvirtual: {net: {a: , b: {}}}", "here")
    assert short == long


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "here: Input should be"),
        ("title: x\ntitel: y", "titel: Extra inputs"),
        ("title: x\ntitle: y", "key title is there twice"),
        ("title: [", "not YAML"),
        ('title: "\\UFFFFFFFF"', "not YAML"),
        ("{title: x, functions: {18:00.0: {id: 15b3:1021}}}", "functions.18:00.0"),
        ("{title: x, functions: {0000:18:00.0: {id: 1021}}}", "functions.0000:18:00.0.id"),
        ("{title: x, virtual: {net: [a_name_that_is_too_long]}}", "virtual.net"),
        ("{title: x, files: {../etc/passwd: x}}", "relative path"),
        ("{title: x, files: {/etc/passwd: x}}", "relative path"),
        ("{title: x, bonds: {bond0: {slaves: [eth0]}}}", "slave of bond0: eth0 is no netdev"),
        (
            "{title: x, functions: {0000:18:00.0: {id: 15b3:1021, physfn: 0000:19:00.0}}}",
            "physfn of 0000:18:00.0: 0000:19:00.0 is no function",
        ),
        (
            (
                "{title: x, functions: {0000:18:00.0: {id: 15b3:1021},"
                " 0000:18:00.1: {id: 15b3:101e, physfn: 0000:18:00.0, vf: 3},"
                " 0000:18:00.2: {id: 15b3:101e, physfn: 0000:18:00.0, vf: 3}}}"
            ),
            "VF 3 of 0000:18:00.0 is there twice",
        ),
        (
            "title: x\nfunctions: {0000:18:00.0: {id: 15b3:1021, hcas: [a]}}\nvirtual: {hcas: [a]}",
            "HCA a is there twice",
        ),
        ("{title: x, virtual: {hcas: {a: {smi_of: b}}}}", "smi_of of a: b is no HCA"),
        (
            "{title: x, virtual: {hcas: {a: {ports: {1: {netdev: eth7}}}}}}",
            "netdev of a port 1: eth7 is no netdev",
        ),
    ],
)
def test_an_invalid_manifest_is_refused_with_the_place(text: str, message: str) -> None:
    with pytest.raises(RdmaDpError) as caught:
        host.parse(text, "here")
    assert message in str(caught.value)
    assert caught.value.hint


def test_all_problems_are_in_one_message() -> None:
    with pytest.raises(RdmaDpError) as caught:
        host.parse("{functions: {0000:18:00.0: {id: x}}, netns: both}", "here")
    for part in ("title", "functions.0000:18:00.0.id", "netns"):
        assert part in str(caught.value)


def test_an_unknown_sample_is_refused_with_all_names() -> None:
    with pytest.raises(RdmaDpError, match="no sample host 'dgx'") as caught:
        host.load("dgx")
    assert caught.value.hint is not None
    assert all(name in caught.value.hint for name in host.sample_names())


def test_a_manifest_is_read_from_a_path_as_well(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("title: mine\n")
    assert host.load(mine).title == host.load(str(mine)).title == "mine"


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    mine = tmp_path / "mine.yaml"
    if content is not None:
        mine.write_bytes(content)
    with pytest.raises(RdmaDpError, match=r"mine\.yaml"):
        host.load(mine)


def parses_or_explains(text: str) -> None:
    """Any other exception than RdmaDpError fails the test."""
    try:
        manifest = host.parse(text, "here")
    except RdmaDpError as error:
        assert str(error).startswith("here: ")
    else:
        assert isinstance(manifest, host.Manifest)


@given(st.text(string.printable + "é\0\ud800"))
def test_any_text_is_a_manifest_or_a_clear_error(text: str) -> None:
    parses_or_explains(text)


WORDS = st.sampled_from(
    [
        "",
        "none",
        "auto",
        "1",
        "-1",
        "x",
        "mlx5_0",
        "eth0",
        "15b3:1021",
        "0207",
        "0000:18:00.0",
        "ib",
    ]
)
KEYS = st.sampled_from(
    [
        "title", "functions", "virtual", "bonds", "hcas", "net", "ports", "id", "class", "driver",
        "numa", "uverbs", "umad", "slaves", "subfunctions", "mlx5_core.sf.1", "sfnum", "files",
        "remove", "physfn", "vf", "0000:18:00.0", "mlx5_0", "eth0", "bond0", "1", "child_of",
        "smi_of",
    ]
)  # fmt: skip
NESTED = st.recursive(
    WORDS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4)
)


@given(st.dictionaries(KEYS, NESTED, max_size=6))
def test_any_structure_is_a_manifest_or_a_clear_error(content: object) -> None:
    parses_or_explains(yaml.safe_dump(content))


@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_deep_nesting_is_a_clear_error(opening: str) -> None:
    with pytest.raises(RdmaDpError, match="here: "):
        host.parse(opening * 3000, "here")
