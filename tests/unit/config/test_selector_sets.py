"""C7: `selectors`, `extraSelectors` and `exclude` as a list of sets of selectors."""

from dataclasses import replace
from typing import Any

import pytest

from rdma_dp.config import Resource, Selectors, Traits, json_schema
from tests.unit.config.texts import accepted, entry, refused, text, warned

TWO = [{"vendors": ["15b3"], "deviceIDs": ["101b"]}, {"vendors": ["8086"]}]


def first(config: str) -> Resource:
    return accepted(config).config.config_list[0]


def read(**changes: Any) -> tuple[Selectors, ...]:
    return first(text(entry(**changes))).selector_sets


def test_a_list_is_read_as_sets_without_a_word() -> None:
    loaded = accepted(text(entry(selectors=TWO)))
    assert loaded.warnings == ()
    assert loaded.config.config_list[0].selector_sets == (
        Selectors(vendors=("15b3",), device_ids=("101b",)),
        Selectors(vendors=("8086",)),
    )
    kept = loaded.document.model_dump(by_alias=True, exclude_unset=True, mode="json")
    assert kept["configList"][0]["selectors"] == TWO


def test_a_list_of_one_set_is_the_object() -> None:
    assert accepted(text(entry(selectors=[TWO[0]]))) == accepted(text(entry(selectors=TWO[0])))


@pytest.mark.parametrize(
    "selectors", [[], [{}], [{"vendors": []}], [{"exclude": {"drivers": ["w"]}}]]
)
def test_a_list_that_selects_nothing_is_refused(selectors: Any) -> None:
    problems = refused(text(entry(selectors=selectors)))
    assert problems["configList[0].selectors"].startswith("does not say which HCAs to take")


@pytest.mark.parametrize("empty", [{}, {"ifNames": []}, {"exclude": {"drivers": ["w"]}}])
def test_an_empty_set_beside_others_must_not_take_every_hca(empty: Any) -> None:
    problems = refused(text(entry(selectors=[TWO[0], empty])))
    assert list(problems) == ["configList[0].selectors[1]"]
    assert problems["configList[0].selectors[1]"].startswith("does not say which HCAs to take")


@pytest.mark.parametrize(
    ("selectors", "path", "said"),
    [
        (
            [TWO[0], {"vendors": ["mellanox"]}],
            "[1].vendors[0]",
            '"mellanox" is not a PCI vendor ID',
        ),
        ([TWO[0], "x"], "[1]", 'must be an object, not the string "x"'),
        ([TWO[0], None], "[1]", "must be an object, not null"),
        ([TWO[0], {"numaNodes": ["0"]}], "[1].numaNodes[0]", "must be a whole number"),
        ([TWO[0], {"vendors": "15b3"}], "[1].vendors", "must be a list"),
        ([{"drivers": ["w"], "exclude": {"zzz": 1}}], "[0].exclude.zzz", "is an unknown key"),
        ([{"drivers": ["w"], "exclude": [{}, {"z": 1}]}], "[0].exclude[1].z", "is an unknown key"),
        (
            [{"drivers": ["w"], "exclude": [{"ifNames": ["w", ""]}]}],
            "[0].exclude[0].ifNames[1]",
            "is blank and excludes nothing",
        ),
        ([TWO[0], {"ifNames": ["<nic>"]}], "[1].ifNames[0]", '"<nic>" is not filled in'),
    ],
)
def test_a_problem_in_a_set_has_its_path(selectors: Any, path: str, said: str) -> None:
    problems = refused(text(entry(selectors=selectors)))
    assert list(problems) == [f"configList[0].selectors{path}"]
    assert problems[f"configList[0].selectors{path}"].startswith(said)


@pytest.mark.parametrize(
    ("selectors", "path", "said"),
    [
        ([TWO[0], {"Vendors": ["15b3"]}], "[1].Vendors", 'is read as "vendors"'),
        ([TWO[0], {"vendors": ["0x15B3"]}], "[1].vendors[0]", 'is read as "15b3"'),
        ([TWO[0], {"vendor": [], "drivers": ["w"]}], "[1].vendor", "is no key of a config"),
        ([TWO[0], {"ifNames": ["w[0-11]"]}], "[1].ifNames[0]", "a range of numbers"),
        ([TWO[0], {"ifNames": ["mlx5_0"]}], "[1].ifNames[0]", "looks like the name of an HCA"),
        ([TWO[0], {"vendors": ["15b3", "x"]}], "[1].vendors[1]", "it matches nothing"),
    ],
)
def test_a_warning_about_a_set_has_its_path(selectors: Any, path: str, said: str) -> None:
    warnings = warned(text(entry(selectors=selectors)))
    assert list(warnings) == [f"configList[0].selectors{path}"]
    assert said in warnings[f"configList[0].selectors{path}"]


def test_the_other_selectors_count_for_each_set() -> None:
    extra = {"functionTypes": ["pf"], "exclude": {"ifNames": ["w0"]}}
    joined = Selectors(function_types=("pf",), exclude=Traits(if_names=("w0",)))
    wanted = (
        replace(joined, vendors=("15b3",), device_ids=("101b",)),
        replace(joined, vendors=("8086",)),
    )
    assert read(selectors=TWO, extraSelectors=extra) == wanted
    assert read(selectors=extra, extraSelectors=TWO) == wanted
    assert read(selectors=None, devices=["w0"], extraSelectors=TWO)[1] == Selectors(
        vendors=("8086",), if_names=("w0",)
    )


def test_two_lists_of_sets_are_refused() -> None:
    extra = [{"numaNodes": [0]}, {"numaNodes": [1]}]
    (problem,) = refused(text(entry(selectors=TWO, extraSelectors=extra))).values()
    assert problem.startswith("is a list of sets, and so is selectors")


def test_a_selector_of_a_set_is_not_in_extra_selectors_too() -> None:
    problems = refused(text(entry(selectors=TWO, extraSelectors={"deviceIDs": ["1021"]})))
    assert problems == {
        "configList[0].extraSelectors.deviceIDs": 'is given in "selectors[0]" as well (keep one)'
    }


def test_devices_stays_apart_from_a_list_of_selectors() -> None:
    problems = refused(text(entry(selectors=TWO, devices=["w0"])))
    assert problems["configList[0].devices"].startswith('cannot be used together with "selectors"')


def test_exclude_as_a_list_excludes_by_every_selector() -> None:
    exclude = [{"ifNames": ["w0"], "drivers": ["w"]}, {"ifNames": ["w1", "w0"]}]
    (selectors,) = read(selectors={"vendors": ["15b3"], "exclude": exclude})
    assert selectors.excluding == Traits(if_names=("w0", "w1"), drivers=("w",))


def test_the_same_name_twice_gets_the_remedy() -> None:
    config = text(entry(selectors=TWO[0]), entry(selectors=TWO[1]))
    (problem,) = refused(config).values()
    assert 'keep one resource: "selectors": [{...}, {...}]' in problem
    assert "choose another name" in problem


def test_the_schema_knows_both_forms() -> None:
    models = json_schema()["$defs"]
    for model, key, of in (
        ("Resource", "selectors", "Selectors"),
        ("Resource", "extraSelectors", "Selectors"),
        ("Selectors", "exclude", "Traits"),
    ):
        reference = {"$ref": f"#/$defs/{of}"}
        forms = models[model]["properties"][key]["oneOf"]
        assert forms == [reference, {"type": "array", "items": reference}]
