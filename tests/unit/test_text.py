"""Texts from outside, as lines, blocks of lines, values and JSON."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdma_dp import text
from rdma_dp.inventory.hardware import Hca, Inventory, NetDevice
from tests.makers import outside_texts

CONTROLS = [*map(chr, range(0x20)), *map(chr, range(0x7F, 0xA0))]
OTHERS = ["\u2028", "\u2029", "\u202a", "\u202e", "\u2066", "\u2069", "\u200f", "\ufeff", "\ud800"]


@pytest.mark.parametrize("character", [*CONTROLS, *OTHERS], ids=ascii)
def test_what_a_terminal_interprets_is_escaped_everywhere(character: str) -> None:
    """A4, A10: control characters, bidi controls, line separators and lone surrogates."""
    assert text.one_line(f"a{character}b") == f"a{ascii(character)[1:-1]}b"
    found = text.json_text({character: character})
    assert found.isprintable()
    assert json.loads(found) == {character: character}


@given(outside_texts)
def test_a_line_is_printable_and_short(found: str) -> None:
    assert text.one_line(found).isprintable()
    assert len(text.one_line(found, 80)) <= 80


@given(st.text(st.characters(min_codepoint=32, categories=("L", "N", "P", "S")), max_size=80))
def test_a_short_printable_text_stays_as_it_is(found: str) -> None:
    assert text.one_line(found, 80) == found
    assert text.printable(found) == found


@given(outside_texts)
def test_a_block_keeps_its_lines(found: str) -> None:
    block = text.printable(found)
    assert block.count("\n") == found.count("\n")
    assert all(line.replace("\t", "").isprintable() for line in block.split("\n"))


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | outside_texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(outside_texts, inner, max_size=3),
    max_leaves=8,
)


@given(_json, st.sampled_from([None, 2]), st.booleans())
def test_json_has_no_raw_control_character_and_round_trips(
    document: object, indent: int | None, ascii_only: bool
) -> None:
    """A10: U+007F to U+009F, which json.dumps writes as they are."""
    found = text.json_text(document, indent=indent, ascii_only=ascii_only)
    assert all(line.isprintable() for line in found.split("\n"))
    assert found.isascii() or not ascii_only
    assert indent or "\n" not in found
    # A high and a low surrogate beside each other are one character in JSON, so compare JSON.
    assert json.dumps(json.loads(found)) == json.dumps(json.loads(json.dumps(document)))


def test_every_text_of_a_value_becomes_a_line() -> None:
    inventory = Inventory((Hca("a\nb", netdevs=(NetDevice("c", altnames=("d\x1b",)),)),))
    shown = text.in_lines(inventory)
    assert shown == Inventory((Hca("a\\nb", netdevs=(NetDevice("c", altnames=("d\\x1b",)),)),))
