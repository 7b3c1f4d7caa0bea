"""Selectors that the Go plugin does not have: valid, corrected and refused values."""

from typing import Any

import pytest

from rdma_dp.config import Resource, Selectors, Traits
from rdma_dp.config.selectors import SelectorsDocument
from tests.unit.config.texts import accepted, entry, refused, text, warned

# Each selector with a value, another spelling of it, and a value that can match nothing.
SPELLINGS = [
    ("pciAddresses", "0000:3b:00.0", "3B:00.0", "eth0"),
    ("pciAddresses", "0000:3b:00.2-7", "3b:00.2-7", "0000:3b:00.7-2"),
    ("pciAddresses", "0000:3b:*", "3B:*", "mlx*"),
    ("pfNames", "ens1f0np0#0-3,7", "ens1f0np0# 0-3, 7", "ens1f0np0#7-0"),
    ("functionTypes", "pf", "PF", "nic"),
    ("functionTypes", "vf", "Virtual Function", "vfs"),
    ("functionTypes", "pf", "physical", "bridge"),
    ("functionTypes", "virtual", "rxe", "0"),
]


def first(config: str) -> Resource:
    return accepted(config).config.config_list[0]


def selected(**selectors: Any) -> Selectors:
    return first(text(entry(selectors=selectors))).selector_sets[0]


# --- values -------------------------------------------------------------------------------------


def test_every_selector_is_read_without_a_word_inside_selectors() -> None:
    given: dict[str, Any] = {
        "vendors": ["15b3"],
        "rdmaDevices": ["mlx5_[0-3]", "mlx5_bond_0"],
        "pciAddresses": ["0000:18:00.0", "0000:3b:*", "0000:5e:00.2-7"],
        "pfNames": ["ens1f0np0", "ens1f1*#0,2-3"],
        "functionTypes": ["pf", "vf", "sf", "virtual"],
        "numaNodes": [0, 1],
        "exclude": {"ifNames": ["eth0", "eno*"], "numaNodes": [0]},
    }
    loaded = accepted(text(entry(selectors=given)))
    assert loaded.warnings == ()
    read = loaded.document.config_list[0].selectors
    assert isinstance(read, SelectorsDocument)
    assert read.model_dump(by_alias=True, exclude_unset=True, mode="json") == given


@pytest.mark.parametrize(("selector", "usual", "other", "_odd"), SPELLINGS)
def test_another_spelling_is_read_with_a_warning(
    selector: str, usual: str, other: str, _odd: str
) -> None:
    for place in ({selector: [other]}, {"vendors": ["15b3"], "exclude": {selector: [other]}}):
        config = text(entry(selectors=place))
        assert first(config).selectors == selected(**_replaced(place, other, usual))
        (warning,) = warned(config).values()
        assert warning == f'"{other}" is read as "{usual}" (write it so)'


@pytest.mark.parametrize(("selector", "usual", "_other", "odd"), SPELLINGS)
def test_a_value_that_can_match_nothing_is_refused_or_dropped_beside_a_good_one(
    selector: str, usual: str, _other: str, odd: str
) -> None:
    path = f"configList[0].selectors.{selector}"
    alone = refused(text(entry(selectors={selector: [odd]})))
    assert alone[f"{path}[0]"].startswith(f'"{odd}" ')
    beside = text(entry(selectors={selector: [usual, odd]}))
    assert first(beside).selectors == selected(**{selector: [usual]})
    assert "it matches nothing (" in warned(beside)[f"{path}[1]"]


@pytest.mark.parametrize("selector", ["rdmaDevices", "pfNames"])
@pytest.mark.parametrize(
    ("glob", "said"),
    [
        ("mlx5_[0-11]", "a range of numbers with several digits in brackets"),
        ("mlx5_[10-12]", '"mlx5_1[01]"'),
        ("mlx5_[0", "a [ without a ]"),
        ("mlx5_{0,1}", "braces"),
        ("mlx5_0,mlx5_1", '["mlx5_0", "mlx5_1"]'),
        ("mlx5_0:1", "only the name"),
    ],
)
def test_a_glob_that_matches_less_than_it_seems_is_refused(
    selector: str, glob: str, said: str
) -> None:
    problems = refused(text(entry(selectors={selector: [glob]})))
    assert said in problems[f"configList[0].selectors.{selector}[0]"]


@pytest.mark.parametrize("glob", ["nic_[0-9]", "nic_1[01]", "nic_[!0-3]*", "nic?s0f[0-9a-f]"])
def test_a_glob_that_means_what_it_says_is_taken_without_a_word(glob: str) -> None:
    selectors = {name: [glob] for name in ("rdmaDevices", "pfNames", "ifNames")}
    assert accepted(text(entry(selectors=selectors))).warnings == ()


@pytest.mark.parametrize(
    ("place", "path"),
    [
        ({"selectors": {"ifNames": ["eth0", "eth[0-11]"]}}, "selectors.ifNames[1]"),
        ({"extraSelectors": {"ifNames": ["eth[0-11]"]}}, "extraSelectors.ifNames[0]"),
        ({"selectors": None, "devices": ["eth[0-11]"]}, "devices[0]"),
    ],
)
def test_interfaces_are_known_from_the_go_plugin_and_only_warned_of(place: Any, path: str) -> None:
    config = text(entry(**place))
    assert "eth[0-11]" in first(config).selector_sets[0].if_names
    message = warned(config)[f"configList[0].{path}"]
    assert message.startswith('"eth[0-11]" has a range of numbers with several digits in brackets')


@pytest.mark.parametrize(("name", "warns"), [("eth{0,1}", 1), ("eth[", 0), ("eth0,eth1", 1)])
def test_of_interfaces_ranges_braces_and_commas_are_warned_of(name: str, warns: int) -> None:
    assert len(warned(text(entry(selectors={"ifNames": [name]})))) == warns


def _replaced(selectors: Any, old: str, new: str) -> Any:
    if isinstance(selectors, dict):
        return {key: _replaced(value, old, new) for key, value in selectors.items()}
    return [new if value == old else value for value in selectors]


def test_numa_node_0_is_a_node() -> None:
    assert selected(numaNodes=[0]).numa_nodes == (0,)
    assert selected(numaNodes=[1, 0, 1]).numa_nodes == (1, 0)
    yaml = "configList: [{resourceName: a, rdmaHcaMax: 1, selectors: {numaNodes: [0, 1]}}]"
    assert first(yaml).selector_sets[0].numa_nodes == (0, 1)


@pytest.mark.parametrize(
    ("node", "said"),
    [
        (-1, "must be at least 0, not the number -1"),
        ("0", 'must be a whole number, not the string "0" (for example "numaNodes": [0])'),
        ("", 'must be a whole number, not the string ""'),
        (0.0, "must be a whole number, not the number 0.0"),
        (True, "must be a whole number, not the boolean true"),
        (None, "must be a whole number, not null"),
        (1024, "must be at most 1023, not the number 1024"),
        (10**30, "must be at most 1023, not the number 1000"),
    ],
)
def test_numa_nodes_are_whole_numbers(node: Any, said: str) -> None:
    problems = refused(text(entry(selectors={"numaNodes": [0, node]})))
    assert problems["configList[0].selectors.numaNodes[1]"].startswith(said)


# --- exclude ------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["selectors", "extraSelectors"])
def test_exclude_alone_does_not_say_which_hcas_to_take(place: str) -> None:
    config = text(entry(**{"selectors": None, place: {"exclude": {"ifNames": ["eth0"]}}}))
    message = refused(config)["configList[0].selectors"]
    assert message.startswith("does not say which HCAs to take (exclude only removes HCAs; add ")
    assert '"vendors": ["15b3"]' in message


@pytest.mark.parametrize("empty", [{}, {"ifNames": []}, None])
def test_an_empty_exclude_excludes_nothing(empty: Any) -> None:
    assert selected(vendors=["15b3"], exclude=empty) == Selectors(vendors=("15b3",))


def test_exclude_has_its_place_in_selectors() -> None:
    config = text(entry(exclude={"ifNames": ["a"]}))
    its_place = 'its place is "configList[].selectors.exclude"'
    assert its_place in warned(config)["configList[0].exclude"]
    assert first(config).selectors == Selectors(vendors=("15b3",))


def excluding(place: str, **exclude: Any) -> str:
    """A resource with an exclude in `selectors` or in `extraSelectors`."""
    if place == "extraSelectors":
        return text(entry(extraSelectors={"exclude": exclude}))
    return text(entry(selectors={"vendors": ["15b3"], "exclude": exclude}))


@pytest.mark.parametrize("place", ["selectors", "extraSelectors"])
@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("ifName", 'did you mean "ifNames"?'),
        ("if_names", 'did you mean "ifNames"?'),
        ("exclude", 'its place is "configList[].selectors.exclude"'),
        ("devices", 'names of interfaces belong into "ifNames"'),
        ("zzz", "known here: vendors, deviceIDs, "),
    ],
)
def test_nothing_unknown_is_passed_over_in_exclude(place: str, key: str, said: str) -> None:
    problems = refused(excluding(place, **{"drivers": ["ice"], key: ["ibstor0"]}))
    ((path, message),) = problems.items()
    assert path == f"configList[0].{place}.exclude.{key}"
    assert message.startswith("is an unknown key, and unknown keys are errors here (")
    assert said in message


@pytest.mark.parametrize("place", ["selectors", "extraSelectors"])
@pytest.mark.parametrize(
    ("selector", "good", "odd"),
    [(name, usual, odd) for name, usual, _, odd in SPELLINGS]
    + [
        ("vendors", "15b3", "mellanox"),
        ("linkTypes", "ether", "lo"),
        ("rdmaDevices", "mlx5_0", "mlx5_[0-11]"),
        ("ifNames", "eth0", "eth[0-11]"),
        ("ifNames", "eth0", "eth{0,1}"),
        ("drivers", "ice", "a\nb"),
        ("numaNodes", 0, 4096),
    ],
)
def test_no_invalid_value_is_ignored_in_exclude(
    place: str, selector: str, good: Any, odd: Any
) -> None:
    assert accepted(excluding(place, **{selector: [good]})).warnings == ()
    path = f"configList[0].{place}.exclude.{selector}[1]"
    assert list(refused(excluding(place, **{selector: [good, odd]}))) == [path]


@pytest.mark.parametrize("blank", ["", " ", None])
def test_a_blank_in_exclude_may_be_a_name_that_a_template_lost(blank: Any) -> None:
    assert refused(excluding("selectors", ifNames=["eth0", blank])) == {
        "configList[0].selectors.exclude.ifNames[1]": "is blank and excludes nothing (remove it)"
    }
    alone = refused(excluding("selectors", ifNames=[blank]))
    assert alone["configList[0].selectors.exclude.ifNames"].startswith("holds only blanks")


@pytest.mark.parametrize(
    "exclude", [{"IFNAMES": ["eth0 "]}, {"ifNames": ["eth0"], "$schema": "x", "drivers": None}]
)
def test_other_spellings_are_read_in_exclude_as_everywhere(exclude: Any) -> None:
    assert first(excluding("selectors", **exclude)).selector_sets[0].exclude == Traits(
        if_names=("eth0",)
    )


# --- extraSelectors -----------------------------------------------------------------------------


def test_extra_selectors_are_selectors() -> None:
    extra = {"functionTypes": ["pf"], "exclude": {"ifNames": ["eth0"]}}
    apart = text(entry(extraSelectors=extra))
    together = text(entry(selectors={"vendors": ["15b3"], **extra}))
    assert accepted(apart) == accepted(together)


def test_extra_selectors_are_enough_to_select() -> None:
    config = text(entry(selectors=None, extraSelectors={"rdmaDevices": ["mlx5_0"]}))
    assert first(config).selectors == Selectors(rdma_devices=("mlx5_0",))


def test_extra_selectors_go_with_the_old_name() -> None:
    extra = {"functionTypes": ["pf"], "exclude": {"drivers": ["ice"]}}
    config = text(entry(selectors=None, devices=["ib0"], extraSelectors=extra))
    assert first(config).selectors == Selectors(
        if_names=("ib0",), function_types=("pf",), exclude=Traits(drivers=("ice",))
    )


def test_exclude_may_be_in_both_places_with_different_selectors() -> None:
    config = text(
        entry(
            selectors={"vendors": ["15b3"], "exclude": {"drivers": ["ice"]}},
            extraSelectors={"exclude": {"numaNodes": [0]}},
        )
    )
    assert first(config).selector_sets[0].exclude == Traits(drivers=("ice",), numa_nodes=(0,))


@pytest.mark.parametrize(
    ("changes", "path", "said"),
    [
        ({"extraSelectors": {"vendors": ["8086"]}}, "vendors", '"selectors"'),
        (
            {"selectors": None, "devices": ["ib0"], "extraSelectors": {"ifNames": ["ib0"]}},
            "ifNames",
            '"devices"',
        ),
        (
            {
                "selectors": {"vendors": ["15b3"], "exclude": {"ifNames": ["a"]}},
                "extraSelectors": {"exclude": {"ifNames": ["b"]}},
            },
            "exclude.ifNames",
            '"selectors.exclude"',
        ),
    ],
)
def test_the_same_selector_in_two_places_is_an_error(changes: Any, path: str, said: str) -> None:
    assert refused(text(entry(**changes))) == {
        f"configList[0].extraSelectors.{path}": f"is given in {said} as well (keep one)"
    }


def test_an_empty_selector_in_the_other_place_does_not_count() -> None:
    config = text(entry(extraSelectors={"vendors": [], "exclude": {}}))
    assert first(config).selectors == Selectors(vendors=("15b3",))


def test_devices_and_an_exclude_in_selectors_are_selectors_and_devices_together() -> None:
    config = text(entry(selectors={"exclude": {"drivers": ["ice"]}}, devices=["ib0"]))
    message = refused(config)["configList[0].devices"]
    assert message.startswith('cannot be used together with "selectors"')
