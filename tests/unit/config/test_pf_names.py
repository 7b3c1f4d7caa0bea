"""PF names of a config: a name or a glob, with or without numbers of VFs or SFs."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rdma_dp.config.problems import InvalidValue
from rdma_dp.config.values.globs import matches as glob_matches
from rdma_dp.config.values.pf_names import PATTERN, PfFunction, matches, normalized, validated

texts = st.text() | st.text(alphabet="ens10f#,-*?[]! ", max_size=20)
names = st.from_regex(r"[a-z][a-z0-9]{0,14}", fullmatch=True)
spans = st.tuples(st.integers(0, 300), st.integers(0, 300)).map(sorted)


@pytest.mark.parametrize("number", [None, 0, 3])
def test_without_numbers_the_pf_and_all_its_functions_are_meant(number: int | None) -> None:
    assert matches("ens1f0", PfFunction("ens1f0", number))
    assert not matches("ens1f0", PfFunction("ens1f1", number))


def test_with_numbers_the_pf_itself_is_not_meant() -> None:
    assert not matches("ens1f0#0-3", PfFunction("ens1f0"))


@given(names, st.lists(spans, min_size=1, max_size=4), st.integers(0, 300))
def test_the_numbers_are_those_listed_and_those_between(
    name: str, listed: list[list[int]], number: int
) -> None:
    ranges = ",".join(f"{a}-{b}" if a != b else str(a) for a, b in listed)
    wanted = f"{name}#{ranges}"
    assert normalized(wanted) == validated(wanted) == wanted
    assert matches(wanted, PfFunction(name, number)) == any(a <= number <= b for a, b in listed)
    assert not matches(wanted, PfFunction(f"{name}x", number))


def test_the_name_takes_globs() -> None:
    assert matches("ens1f?np*#2", PfFunction("ens1f0np0", 2))
    assert not matches("ens1f?np*#2", PfFunction("ens1f0np0", 3))
    assert not matches("ens1f?np*#2", PfFunction("ens2f0np0", 2))


def test_white_space_around_the_numbers_is_dropped() -> None:
    assert normalized("ens1f0 # 0, 2 - 3") == "ens1f0#0,2-3"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("#0-3", "has no PF before the #"),
        ("ens1f0#", "something other than numbers after the #"),
        ("ens1f0#a", "something other than numbers after the #"),
        ("ens1f0#0,,2", "something other than numbers after the #"),
        ("ens1f0#0-1-2", "something other than numbers after the #"),
        ("ens1f0#-1", "something other than numbers after the #"),
        ("ens1f0#٣", "something other than numbers after the #"),
        (f"ens1f0#{'9' * 5000}", "a number that is too long"),
        ("ens1f0#0-99999999999", "a number that is too long after the # (the number of a VF or"),
        ("5", 'in one string: "ens1f0np0#0,2-3"'),
        ("ens1f[0-11]#0", "several digits in brackets"),
        ("ens1f[0#0", "a [ without a ]"),
        ("ens{1,2}f0#0", "braces"),
        ("ens1f0,ens1f1#0", "a value for each"),
        ("ens1f0#3-0", "a range whose end is before its begin (swap them: 0-3)"),
        ("2-3", 'in one string: "ens1f0np0#0,2-3"'),
    ],
)
def test_what_no_function_can_match_is_refused(text: str, said: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        validated(text)
    assert said in f"{caught.value.message} ({caught.value.hint})"


@given(texts, names, st.none() | st.integers(0, 9))
@example("a#b#1", "a", 1)
def test_any_text_is_refused_or_can_be_asked(text: str, name: str, number: int | None) -> None:
    meant = normalized(text)
    assert normalized(meant) == meant
    try:
        validated(meant)
    except InvalidValue as refused:
        assert refused.hint
    else:
        assert matches(meant, PfFunction(name, number)) in (True, False)
        assert not meant or re.fullmatch(PATTERN, meant, re.DOTALL)


@pytest.mark.parametrize(
    ("function", "told"), [(PfFunction("ens1f0"), "ens1f0"), (PfFunction("ens1f0", 0), "ens1f0#0")]
)
def test_a_function_is_shown_as_in_the_config(function: PfFunction, told: str) -> None:
    assert str(function) == told
    assert matches(told, function)


@given(st.text(), st.text())
@example("eth[1]", "eth[1]")
@example("[z-a]*", "a")
@example("[", "[")
def test_a_glob_never_fails_and_always_means_its_own_text(pattern: str, text: str) -> None:
    assert glob_matches(pattern, pattern)
    assert glob_matches(pattern, text) in (True, False)
    assert glob_matches("*", text)
