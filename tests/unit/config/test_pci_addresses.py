"""PCI addresses of a config, compared with their numbers."""

import re

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from rdma_dp.config.problems import InvalidValue
from rdma_dp.config.values.pci_addresses import PATTERN, matches, normalized, validated

Numbers = tuple[int, int, int, int]

numbers = st.tuples(
    st.integers(0, 3) | st.integers(0, 0xFFFFFFFF),
    st.integers(0, 0xFF),
    st.integers(0, 0x1F),
    st.integers(0, 7),
)
texts = st.text() | st.text(alphabet="0123456789abfABF:.-*?[]! x", max_size=30)


def written(at: Numbers) -> str:
    """The text of an address, as the kernel writes it."""
    domain, bus, device, function = at
    return f"{domain:04x}:{bus:02x}:{device:02x}.{function:x}"


def refusal(text: str) -> str:
    with pytest.raises(InvalidValue) as caught:
        validated(text)
    return f"{caught.value.message} ({caught.value.hint})"


@given(numbers, numbers)
def test_an_address_matches_itself_alone(one: Numbers, other: Numbers) -> None:
    assert normalized(written(one)) == validated(written(one)) == written(one)
    assert matches(written(one), written(other)) == (one == other)


@given(numbers, numbers, numbers)
@example((0, 0x3B, 0, 2), (0, 0x3B, 1, 1), (0, 0x3B, 0, 7))
@example((0xFFFF, 0, 0, 0), (0x10000, 0, 0, 0), (0x10000, 0, 0, 0))
def test_a_range_has_exactly_the_addresses_between(
    first: Numbers, last: Numbers, at: Numbers
) -> None:
    assume(first <= last)
    whole = f"{written(first)}-{written(last)}"
    assert normalized(whole) == validated(whole) == whole
    assert matches(whole, written(at)) == (first <= at <= last)


@given(numbers, st.integers(0, 7), numbers)
def test_a_short_range_ends_on_the_same_device(first: Numbers, last: int, at: Numbers) -> None:
    assume(first[3] <= last)
    short = f"{written(first)}-{last}"
    full = f"{written(first)}-{written((*first[:3], last))}"
    assert normalized(short) == validated(short) == short
    for near in (at, (*first[:3], at[3])):
        assert matches(short, written(near)) == matches(full, written(near))


@given(numbers, numbers)
def test_a_range_that_runs_backwards_is_refused(first: Numbers, last: Numbers) -> None:
    assume(last < first)
    said = refusal(f"{written(first)}-{written(last)}")
    assert said == (
        f"is a range whose end is before its begin (swap them: {written(last)}-{written(first)})"
    )


def test_the_short_form_is_refused_as_well() -> None:
    assert "0000:3b:00.2-0000:3b:00.7" in refusal("0000:3b:00.7-2")


@pytest.mark.parametrize(
    ("glob", "address", "meant"),
    [
        ("0000:3b:*", "0000:3b:00.0", True),
        ("0000:3b:*", "0000:3c:00.0", False),
        ("*:3b:00.[0-3]", "0001:3b:00.3", True),
        ("*:3b:00.[0-3]", "0001:3b:00.4", False),
        ("0000:3b:0?.0", "0000:3b:0f.0", True),
        ("*.0", "10000:e1:00.0", True),
    ],
)
def test_a_glob_is_one_over_the_text(glob: str, address: str, meant: bool) -> None:
    assert normalized(glob) == validated(glob) == glob
    assert matches(glob, address) is meant


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("18:00.0", "0000:18:00.0"),
        ("0000:3B:00.1", "0000:3b:00.1"),
        ("00000000:3B:00.1", "0000:3b:00.1"),
        ("00010000:e1:00.0", "10000:e1:00.0"),
        ("3b:*", "0000:3b:*"),
        ("*:00.0", "*:00.0"),
        ("?b:00.0", "0000:?b:00.0"),
        ("[3-5]b:00.*", "0000:[3-5]b:00.*"),
        ("3[!b]:*", "0000:3[!b]:*"),
        ("??:*", "0000:??:*"),
        ("3b:00.2-7", "0000:3b:00.2-7"),
        ("3b:00.2 - 3b:01.1", "0000:3b:00.2-0000:3b:01.1"),
        ("0001:3b:00.2-3b:01.1", "0001:3b:00.2-0001:3b:01.1"),
    ],
)
def test_other_spellings_are_brought_into_the_kernels(text: str, meant: str) -> None:
    assert normalized(text) == meant
    assert validated(meant) == meant


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("eth0", "is not a PCI address (domain:bus:device.function"),
        ("", "is not a PCI address"),
        ("18:00.0", "is not a PCI address"),  # only `usual` adds the domain
        ("0000:18:00", "is not a PCI address"),
        ("0000:18:20.0", "is not a PCI address (the device is at most 1f, the function at most 7)"),
        ("0000:18:00.8", "the function at most 7"),
        ("0000:18:00.0-8", "is not a range of PCI addresses"),
        ("0000:18:00.0-", "is not a range of PCI addresses"),
        ("-0000:18:00.0", "is not a PCI address"),
        ("0000:18:00.0-1-2", "is not a range of PCI addresses"),
        ("eth*", "matches no PCI address"),
        ("0000:18:00.0-0000:18:00.*x", "has two whole addresses"),
        ("0000:29:00.*-0000:5e:00.*", 'two whole addresses: "0000:3b:00.2-0000:3b:01.1"'),
        ("0000:3b:00.[0-3", "has a [ without a ]"),
        ("3b*", "has no : and does not begin with * (a glob of an address begins with its domain"),
        ("?", "matches no PCI address"),
        ("0000:3b", "is not a PCI address"),
        ("?b:00.0", "matches no PCI address"),  # only `usual` adds the domain
        ("0000:[00-1f]:00.0", "matches no PCI address"),  # brackets are one character
        ("0000:3b:00.[89]", "matches no PCI address"),
        ("*:[xyz]b:*", "matches no PCI address"),
        ("0000:3b:00.0-01.1", "the end needs its bus: 0000:3b:00.0-0000:3b:01.1"),
    ],
)
def test_what_no_address_can_match_is_refused(text: str, said: str) -> None:
    assert said in refusal(text)


@given(numbers, st.data())
def test_a_glob_made_of_an_address_is_taken_and_matches_it(
    at: Numbers, data: st.DataObject
) -> None:
    parts = [data.draw(st.sampled_from([sign, "?", f"[{sign}]"])) for sign in written(at)]
    glob = "".join(parts)
    assert matches(validated(glob), written(at))
    cut = data.draw(st.integers(0, len(parts)))
    assert matches(validated(f"*{''.join(parts[cut:])}"), written(at))


@given(texts, numbers)
def test_any_text_is_refused_or_can_be_asked(text: str, at: Numbers) -> None:
    meant = normalized(text)
    assert normalized(meant) == meant
    try:
        validated(meant)
    except InvalidValue as refused:
        assert refused.hint
    else:
        assert matches(meant, written(at)) in (True, False)
        assert re.fullmatch(PATTERN, meant)


@given(texts)
def test_a_thing_that_is_no_address_is_in_no_range(name: str) -> None:
    assert not matches("0000:00:00.0-ffffffff:ff:1f.7", f"{name}-")
