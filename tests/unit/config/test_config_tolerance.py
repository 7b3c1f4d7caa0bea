"""What works in the Go plugin works here, with a warning that has the place and the remedy."""

from dataclasses import FrozenInstanceError

import pytest

from rdma_dp.config import Config, Resource, Selectors
from tests.unit.config.texts import ENTRY, accepted, entry, text, warned


def first(config: str) -> Resource:
    return accepted(config).config.config_list[0]


def test_defaults_are_those_of_the_go_plugin() -> None:
    config = accepted(text(ENTRY)).config
    assert config.periodic_update_interval == 60
    assert config.config_list[0].resource_prefix == "rdma"
    assert config.config_list[0].selectors == Selectors(vendors=("15b3",))


def test_null_is_the_same_as_absent_and_an_empty_prefix_too() -> None:
    nulls = '"periodicUpdateInterval": null, "configList": [{"resourcePrefix": null, '
    nulls = "{" + nulls + '"devices": null, ' + text(ENTRY)[len('{"configList": [{') :]
    assert accepted(nulls) == accepted(text(ENTRY))
    assert accepted(text(entry(resourcePrefix=""))) == accepted(text(ENTRY))


def test_periodic_update_interval_zero_means_off() -> None:
    assert accepted(text(ENTRY, periodicUpdateInterval=0)).config.periodic_update_interval == 0


def test_keys_match_without_regard_to_case() -> None:
    shouted = text(ENTRY).replace("rdmaHcaMax", "RDMAHCAMAX").replace("configList", "ConfigList")
    assert accepted(shouted).config == accepted(text(ENTRY)).config
    assert warned(shouted) == {
        "ConfigList": 'is read as "configList" (write it so)',
        "configList[0].RDMAHCAMAX": 'is read as "rdmaHcaMax" (write it so)',
    }


def test_an_unknown_key_is_ignored_and_the_nearest_one_named() -> None:
    odd = text(
        entry(
            rdmaHcaMaxx=5,
            ifNames=["x"],
            resource_prefix="p",
            zzz=1,
            selectors={"vendors": ["15b3"], "deviceID": ["101b"]},
        ),
        periodicUpdate=5,
    )
    assert accepted(odd).config == accepted(text(ENTRY)).config
    warnings = warned(odd)
    assert 'did you mean "rdmaHcaMax"?' in warnings["configList[0].rdmaHcaMaxx"]
    assert 'did you mean "resourcePrefix"?' in warnings["configList[0].resource_prefix"]
    assert 'its place is "configList[].selectors.ifNames"' in warnings["configList[0].ifNames"]
    assert "known here: resourceName, " in warnings["configList[0].zzz"]
    assert 'did you mean "deviceIDs"?' in warnings["configList[0].selectors.deviceID"]
    assert 'did you mean "periodicUpdateInterval"?' in warnings["periodicUpdate"]


def test_the_editors_key_is_no_reason_to_warn() -> None:
    assert warned('{"$schema": "schema.json", ' + text(ENTRY)[1:]) == {}


@pytest.mark.parametrize(
    ("doubled", "slots"),
    [
        ('"rdmaHcaMax": 1, "rdmaHcaMax": 2', 2),
        ('"rdmaHcaMax": 1, "RDMAHCAMAX": 2', 2),
        ('"rdmaHcaMax": 1, "rdmaHcaMax": null', 1),
        ('"rdmaHcaMax": "x", "rdmaHcaMax": 2', 2),
    ],
)
def test_of_doubled_keys_the_last_one_that_is_not_null_counts(doubled: str, slots: int) -> None:
    config = text(ENTRY).replace('"rdmaHcaMax": 63', doubled)
    assert first(config).rdma_hca_max == slots
    assert any("is given twice" in warning for warning in warned(config).values())


def test_doubled_selectors_are_merged_as_go_does() -> None:
    config = text(ENTRY).replace('"selectors"', '"selectors": {"drivers": ["a"]}, "selectors"')
    assert first(config).selectors == Selectors(vendors=("15b3",), drivers=("a",))
    assert "is given twice" in warned(config)["configList[0].selectors"]


@pytest.mark.parametrize("written", ["15B3", "0x15b3", "0X15B3", " 15b3", "0x15B3\n"])
def test_hex_ids_are_brought_into_the_spelling_of_sysfs(written: str) -> None:
    config = text(entry(selectors={"vendors": [written], "deviceIDs": ["101b", written]}))
    assert first(config).selectors == Selectors(vendors=("15b3",), device_ids=("101b", "15b3"))
    warnings = warned(config)
    assert set(warnings) == {
        "configList[0].selectors.vendors[0]",
        "configList[0].selectors.deviceIDs[1]",
    }
    assert 'is read as "15b3"' in warnings["configList[0].selectors.vendors[0]"]


def test_short_hex_ids_are_filled_up() -> None:
    config = text(entry(selectors={"deviceIDs": ["0x3f", "3F"]}))
    assert first(config).selector_sets[0].device_ids == ("003f",)  # each once
    assert len(warned(config)) == 2


@pytest.mark.parametrize(
    ("written", "link_type"),
    [
        ("Ethernet", "ether"),
        ("ETHER", "ether"),
        ("RoCE", "ether"),
        ("iWARP", "ether"),
        ("IB", "infiniband"),
        ("InfiniBand", "infiniband"),
        (" infiniband ", "infiniband"),
    ],
)
def test_other_names_of_link_types_are_known(written: str, link_type: str) -> None:
    config = text(entry(selectors={"linkTypes": [written]}))
    assert first(config).selector_sets[0].link_types == (link_type,)
    assert link_type in warned(config)["configList[0].selectors.linkTypes[0]"]


def test_white_space_around_values_is_dropped() -> None:
    config = text(entry(resourceName=" a ", selectors={"ifNames": ["ens1f0np0 "]}))
    assert first(config).full_name == "rdma/a"
    assert first(config).selector_sets[0].if_names == ("ens1f0np0",)
    assert set(warned(config)) == {
        "configList[0].resourceName",
        "configList[0].selectors.ifNames[0]",
    }


@pytest.mark.parametrize("blank", ['""', '" "', "null"])
def test_a_blank_in_a_list_with_a_value_is_dropped(blank: str) -> None:
    config = text(ENTRY).replace('["15b3"]', f'[{blank}, "15b3"]')
    assert first(config).selector_sets[0].vendors == ("15b3",)
    assert "matches nothing" in warned(config)["configList[0].selectors.vendors[0]"]


@pytest.mark.parametrize(
    ("selector", "good", "odd"),
    [
        ("vendors", "15b3", "mellanox"),
        ("deviceIDs", "101b", "MT4123"),
        ("linkTypes", "ether", "lo"),
    ],
)
def test_a_value_that_can_match_nothing_is_dropped_from_a_list_with_a_valid_one(
    selector: str, good: str, odd: str
) -> None:
    config = text(entry(selectors={selector: [odd, good]}))
    alone = text(entry(selectors={selector: [good]}))
    assert accepted(config).config == accepted(alone).config
    assert "matches nothing" in warned(config)[f"configList[0].selectors.{selector}[0]"]


@pytest.mark.parametrize("selectors", [None, {}, {"vendors": []}, {"vendors": [], "ifNames": []}])
def test_devices_becomes_if_names_also_with_empty_selectors(
    selectors: dict[str, list[str]] | None,
) -> None:
    config = text(entry(selectors=selectors, devices=["ib0", "ib1"]))
    new = text(entry(selectors={"ifNames": ["ib0", "ib1"]}))
    assert accepted(config).config == accepted(new).config
    assert warned(config) == {
        "configList[0].devices": 'is the old name of "selectors.ifNames" '
        '(write "selectors": {"ifNames": [...]})'
    }


def test_an_empty_list_matches_all_like_an_absent_one() -> None:
    config = text(entry(selectors={"vendors": ["15b3"], "ifNames": []}))
    assert accepted(config) == accepted(text(ENTRY))


def test_the_same_name_under_two_prefixes_is_fine_and_warns_of_the_common_variable() -> None:
    config = text(ENTRY, entry(resourcePrefix="example.com"))
    names = [r.full_name for r in accepted(config).config.config_list]
    assert names == ["rdma/a", "example.com/a"]
    assert "RDMA_DP_A_HCAS" in warned(config)["configList[1].resourceName"]


def test_names_that_differ_only_in_what_a_variable_cannot_hold_are_warned_of() -> None:
    config = text(*(entry(resourceName=name) for name in ("x_y", "x-y", "X.Y", "xy")))
    warnings = warned(config)
    assert set(warnings) == {"configList[1].resourceName", "configList[2].resourceName"}
    assert "RDMA_DP_X_Y_HCAS in common with configList[0]" in warnings["configList[2].resourceName"]


def test_values_are_frozen_and_can_be_made_in_python() -> None:
    resource = Resource(resource_name="a", rdma_hca_max=63, selectors=Selectors(vendors=("15b3",)))
    assert Config(config_list=(resource,)) == accepted(text(ENTRY)).config
    with pytest.raises(FrozenInstanceError):
        resource.rdma_hca_max = 5  # type: ignore[misc]  # that it is refused is the point
