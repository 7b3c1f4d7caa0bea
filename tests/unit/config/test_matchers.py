"""The compiled matchers agree with `matches`, which compares one value with one name."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rdma_dp.config import Selectors, Traits, compiled
from rdma_dp.config.problems import InvalidValue
from rdma_dp.config.selector_sets import KEYS
from rdma_dp.config.values import globs, pci_addresses, pf_names
from rdma_dp.config.values.matchers import EqualMatcher, Matcher, Ranges
from rdma_dp.config.values.pf_names import PfFunction

# Short alphabets, so that many patterns match many names.
signs = st.text(alphabet="ab1*?[]!-", max_size=8)
names = st.text(alphabet="ab1[]*-", max_size=8)
hexadecimal = st.sampled_from("01f")


@st.composite
def addresses(draw: st.DrawFn) -> str:
    bus, device = draw(st.integers(0, 2)), draw(st.integers(0, 2))
    return f"0000:{bus:02x}:{device:02x}.{draw(st.integers(0, 7))}"


@st.composite
def address_values(draw: st.DrawFn) -> str:
    """An address, a glob or a range."""
    begin, end = draw(addresses()), draw(addresses())
    kind = draw(st.sampled_from(["address", "glob", "range", "functions"]))
    if kind == "range":
        return "-".join(sorted((begin, end)))
    if kind == "functions":
        return f"{begin}-{max(begin[-1], end[-1])}"
    glob = "".join(draw(st.sampled_from([sign, "?", "*"])) for sign in begin)
    return glob if kind == "glob" and _is_valid(pci_addresses.validated, glob) else begin


@st.composite
def pf_values(draw: st.DrawFn) -> str:
    name = draw(signs)
    spans = draw(st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=2), max_size=3))
    numbers = ",".join("-".join(map(str, sorted(span))) for span in spans)
    value = f"{name}#{numbers}" if numbers else name
    return value if _is_valid(pf_names.validated, value) else "a*#0-3"


functions = st.builds(PfFunction, names, st.none() | st.integers(0, 9))


def _is_valid(check: Callable[[str], str], value: str) -> bool:
    try:
        check(value)
    except InvalidValue:
        return False
    return True


def agree(
    matcher: Matcher[Any], matches: Callable[[Any, Any], bool], values: Sequence[Any], found: Any
) -> None:
    """The results agree for each name and for all names, with repeated values, in their order."""
    for one in found:
        assert matcher.matches(one) == any(matches(value, one) for value in values)
    expected = tuple(value for value in values if any(matches(value, one) for one in found))
    assert matcher.matching(found) == expected


@given(st.lists(signs, max_size=12), st.lists(names, max_size=6))
@example(["a[1]"], ["a[1]", "a1"])
@example(["[*", "a[", "[]", "[!]", "[]]", "[!]]"], ["[x", "a[", "[]", "[!]", "]", "b"])
@example(["a*a", "*", "**"], ["a", "aa", ""])
@example(["b*a", "b*a", "a"], ["ba", "a"])
def test_globs_agree(values: list[str], found: list[str]) -> None:
    agree(globs.compile_globs(values), globs.matches, values, found)


@given(st.lists(address_values(), max_size=12), st.lists(addresses() | names, max_size=6))
def test_addresses_agree(values: list[str], found: list[str]) -> None:
    agree(pci_addresses.compile_addresses(values), pci_addresses.matches, values, found)


@given(st.lists(pf_values(), max_size=12), st.lists(functions, max_size=6))
def test_pf_names_agree(values: list[str], found: list[PfFunction]) -> None:
    agree(pf_names.compile_pf_names(values), pf_names.matches, values, found)


@given(st.lists(st.integers(0, 5), max_size=12), st.lists(st.integers(0, 5), max_size=6))
def test_equal_values_agree(values: list[int], found: list[int]) -> None:
    agree(EqualMatcher(values), int.__eq__, values, found)


spans = st.tuples(st.integers(0, 20), st.integers(0, 20)).map(sorted)


@given(st.lists(spans, max_size=20), st.integers(0, 20))
def test_ranges_contain_their_ends(listed: list[list[int]], number: int) -> None:
    ranges = Ranges((first, last, at) for at, (first, last) in enumerate(listed))
    expected = [at for at, (first, last) in enumerate(listed) if first <= number <= last]
    assert sorted(ranges.positions(number)) == expected


def test_a_selector_that_is_not_given_has_no_matcher() -> None:
    given_ones = Selectors(vendors=("15b3",), if_names=("ens*",), exclude=Traits(drivers=("x",)))
    matchers = compiled(given_ones)
    assert list(matchers) == ["vendors", "if_names"]
    assert matchers["if_names"].matching(["ens1", "eth0"]) == ("ens*",)
    assert compiled(Traits()) == {}


FOUND: dict[str, Any] = {
    "vendors": "15b3",
    "device_ids": "101b",
    "drivers": "mlx5_core",
    "if_names": "ens1f0np0",
    "link_types": "ether",
    "rdma_devices": "mlx5_0",
    "pci_addresses": "0000:3b:00.0",
    "pf_names": PfFunction("ens1f0np0", 3),
    "function_types": "vf",
    "numa_nodes": 1,
}


@pytest.mark.parametrize("field", KEYS)
def test_every_selector_has_a_matcher(field: str) -> None:
    value = "ens1f0np0#3" if field == "pf_names" else FOUND[field]
    traits: dict[str, Any] = {field: (value,)}
    (matcher,) = compiled(Traits(**traits)).values()
    assert matcher.matches(FOUND[field])
    assert matcher.values == (value,)


def test_many_globs_are_not_compared_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pattern is tried on a name without its literal text. The attempts are counted."""
    tried: list[str] = []

    def counted(name: str, pattern: str) -> bool:
        tried.append(pattern)
        return name.startswith(pattern[:-1])

    monkeypatch.setattr(globs, "fnmatchcase", counted)
    matcher = globs.compile_globs([f"ens{number}np*" for number in range(19_000)])
    assert matcher.matching(f"ens{number}np0" for number in range(250)) == matcher.values[:250]
    assert len(tried) == 250
