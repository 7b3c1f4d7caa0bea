"""C3: a value that matches nothing on a node is tried as a value of every other selector."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rdma_dp.config import Resource
from rdma_dp.config.selector_sets import KEYS
from rdma_dp.inventory.hardware import Hca, Inventory, NetDevice, PciFunction, UnusedFunction
from rdma_dp.inventory.verdicts import AdviceCode, Unused, UnusedCode
from rdma_dp.sharing.advice import node_warnings, steps
from rdma_dp.sharing.misplaced import Misplaced, misplaced
from rdma_dp.sharing.selection import Selection, select
from tests.makers import (
    ADDRESSES,
    DEVICES,
    DRIVERS,
    NETDEVS,
    VENDORS,
    hca,
    hca_lists,
    of_sets,
    resource,
)

HOST = (
    hca(0, numa=0, pf_names=("ens1f0np0",)),
    hca(1, numa=1, pf_names=("ens2f0np0",)),
)


def next_steps(selection: Selection, inventory: Inventory) -> tuple[str, ...]:
    return tuple(map(str, steps(selection, inventory)))


def found(inventory: Inventory, of: Resource) -> tuple[Misplaced, ...]:
    return misplaced(select(inventory, of), inventory)


def others(**selectors: Any) -> list[str]:
    each = found(Inventory(HOST), resource(**selectors))
    return [name for one in each for name, _ in one.others]


VALUES = {
    "vendors": "15b3",
    "deviceIDs": "101b",
    "drivers": "mlx5_core",
    "ifNames": "eth0",
    "linkTypes": "ether",
    "rdmaDevices": "mlx5_0",
    "pciAddresses": "0000:00:00.0",
    "pfNames": "ens1f0np0",
    "functionTypes": "pf",
}


@pytest.mark.parametrize(("given_to", "right"), [(a, b) for a in VALUES for b in VALUES if a != b])
def test_each_value_in_each_other_selector_is_named_or_refused(given_to: str, right: str) -> None:
    try:
        named = others(**{given_to: [VALUES[right]]})
    except ValidationError:
        return  # the config says it: tests/unit/config/test_forms.py
    assert right in named


@pytest.mark.parametrize("selector", list(VALUES))
def test_a_value_in_its_own_selector_is_not_reported(selector: str) -> None:
    assert others(**{selector: [VALUES[selector]]}) == []


def test_the_text_names_the_selector_and_the_own_value_of_the_hca() -> None:
    (step,) = next_steps(select(Inventory(HOST), resource(ifNames=["mlx5_1"])), Inventory(HOST))
    assert step == (
        "ifNames wants network interfaces, but mlx5_1 is the name of an HCA of this node:"
        ' use "rdmaDevices": ["mlx5_1"] or "ifNames": ["eth1"]'
    )


def test_values_of_the_same_kind_are_reported_together() -> None:
    wanted = resource(ifNames=["mlx5_0", "mlx5_1", "mlx5_9"])
    (step,) = steps(select(Inventory(HOST), wanted), Inventory(HOST))
    assert "mlx5_0, mlx5_1 are names of HCAs of this node" in step.text
    assert '"ifNames": ["eth0", "eth1"]' in step.text
    assert step.code is AdviceCode.OTHER_SELECTOR


def test_a_glob_matches() -> None:
    (each,) = found(Inventory(HOST), resource(ifNames=["mlx5_*"]))
    assert "mlx5_* matches the name of an HCA of this node" in each.step.text


def test_an_id_is_spelled_as_the_other_selector_spells_it() -> None:
    (each,) = found(Inventory(HOST), resource(drivers=["0x15B3"]))
    assert 'is the vendor ID of mlx5_0, mlx5_1: use "vendors": ["15b3"]' in each.step.text


def test_another_selector_that_does_not_match_is_still_shown() -> None:
    wanted = resource(ifNames=["mlx5_0"], deviceIDs=["1021"])
    first, second = next_steps(select(Inventory(HOST), wanted), Inventory(HOST))
    assert '"rdmaDevices": ["mlx5_0"]' in first
    assert second.startswith("the nearest is mlx5_0: deviceIDs wants 1021; it has 101b; ifNames ")
    assert "not on this node" not in second


def test_a_resource_with_hcas_gets_a_warning() -> None:
    inventory = Inventory(HOST)
    selection = select(inventory, resource(ifNames=["eth0", "mlx5_1"]))
    (warning,) = node_warnings(inventory, [selection])
    assert warning.startswith("rdma/hca: ifNames wants network interfaces, but mlx5_1 is the name ")


def test_a_value_of_exclude_that_excludes_nothing_gets_a_warning() -> None:
    inventory = Inventory(HOST)
    selection = select(inventory, resource(vendors=["15b3"], exclude={"ifNames": ["mlx5_1"]}))
    (warning,) = node_warnings(inventory, [selection])
    assert warning.startswith("rdma/hca: exclude.ifNames wants network interfaces, but mlx5_1 is ")
    assert warning.endswith('use "rdmaDevices": ["mlx5_1"] or "ifNames": ["eth1"] in exclude')


def test_the_set_of_the_selector_is_named() -> None:
    wanted = of_sets({"vendors": ["8086"]}, {"ifNames": ["mlx5_1"]})
    (each,) = found(Inventory(HOST), wanted)
    assert each.place == "[1].ifNames"


FUNCTION = UnusedFunction(
    PciFunction("0000:05:00.0", "8086", "1592", driver="ice"),
    ("ens9f0",),
    Unused(UnusedCode.MODULE_NOT_LOADED, "irdma is not loaded"),
)


def test_functions_without_an_hca_count_as_well() -> None:
    inventory = Inventory(HOST, (FUNCTION,))
    assert found(inventory, resource(ifNames=["ens9f0"])) == ()
    (each,) = found(inventory, resource(drivers=["ens9f0"]))
    assert each.others[0] == ("ifNames", ("0000:05:00.0 (no HCA)",))
    assert found(inventory, resource(rdmaDevices=["zzz*"])) == ()


@pytest.mark.parametrize(
    "selectors",
    [
        {"numaNodes": [1]},  # the device ID 0001 is something else
        {"ifNames": ["1"]},
        {"ifNames": ["eth7", "ens9*"]},
        {"drivers": ["ice", "bnxt_en"]},
        {"vendors": ["8086"]},
    ],
)
def test_a_value_that_is_just_not_here_is_not_reported(selectors: dict[str, Any]) -> None:
    hfi = hca(0, functions=(PciFunction("0000:5e:00.0", "434e", "0001", driver="hfi1"),))
    assert found(Inventory((hfi,)), resource(**selectors)) == ()


# --- any values on any host ---------------------------------------------------------------------

texts = st.sampled_from(
    (
        *VENDORS, *DEVICES, *DRIVERS, *NETDEVS, *ADDRESSES, "ether", "infiniband", "mlx5_0",
        "mlx5_3", "mlx5_*", "eth*", "ethernet0", "pf", "vf", "sf", "virtual", "0", "1", "eth0#1",
        "0000:01:00.0-1", "nothing", "ffff",
    )
)  # fmt: skip
selector_names = st.sampled_from([*KEYS.values()])


def selecting(selector: str, *values: Any) -> Resource:
    chosen: dict[str, Any] = {selector: list(values)}
    return resource(**chosen)


def matching(hcas: tuple[Hca, ...], selector: str, text: str) -> list[str] | None:
    """The HCAs that match by this value alone; None if the selector refuses it."""
    value = int(text) if selector == "numaNodes" and text.isdecimal() else text
    try:
        wanted = selecting(selector, value)
    except ValidationError:
        return None
    return [each.hca.name for each in select(Inventory(hcas), wanted).verdicts if each.matches]


@given(hca_lists(), selector_names, st.lists(texts, min_size=1, max_size=4, unique=True))
def test_what_matches_under_another_selector_is_named_and_nothing_else(
    hcas: tuple[Hca, ...], selector: str, values: list[str]
) -> None:
    values = [text for text in values if matching(hcas, selector, text) is not None]
    given_values: list[Any] = [int(v) if selector == "numaNodes" else v for v in values]
    inventory = Inventory(hcas)
    told = found(inventory, selecting(selector, *given_values))
    named = {(value, name) for each in told for value in each.values for name, _ in each.others}
    expected = {
        (text, name)
        for text in values
        if not matching(hcas, selector, text)
        for name in KEYS.values()
        if name != selector and matching(hcas, name, text)
    }
    expected -= {  # they say the same as ifNames
        (text, "pfNames")
        for text, name in tuple(expected)
        if name == "ifNames" and matching(hcas, name, text) == matching(hcas, "pfNames", text)
    }
    assert named == expected
    for each in told:
        for name, labels in each.others:
            by_any = {hca for text in each.values for hca in matching(hcas, name, text) or ()}
            assert set(labels) == by_any


@given(hca_lists(), selector_names, texts)
def test_the_advice_for_an_empty_resource_names_the_selector(
    hcas: tuple[Hca, ...], selector: str, text: str
) -> None:
    if matching(hcas, selector, text) != []:
        return
    value = int(text) if selector == "numaNodes" else text
    inventory = Inventory(hcas)
    said = next_steps(select(inventory, selecting(selector, value)), inventory)
    for name in KEYS.values():
        if name != selector and matching(hcas, name, text):
            assert any(f'"{name}": [' in step for step in said)


def test_a_netdev_by_its_altname_is_an_interface() -> None:
    named = hca(netdevs=(NetDevice("eth0", "ether", altnames=("ens1f0np0",)),))
    (each,) = found(Inventory((named,)), resource(rdmaDevices=["ens1f0np0"]))
    assert each.others == (("ifNames", ("mlx5_0",)),)


def test_the_pf_is_not_advised_beside_the_same_interface() -> None:
    """C3: pfNames on a PF without VFs."""
    alone = hca(0, pf_names=("eth0",))
    (each,) = found(Inventory((alone,)), selecting("rdmaDevices", "eth0"))
    assert [name for name, _ in each.others] == ["ifNames"]
    vf = hca(1, pf_names=("eth0",), netdevs=())
    (each,) = found(Inventory((alone, vf)), selecting("rdmaDevices", "eth0"))
    assert [name for name, _ in each.others] == ["ifNames", "pfNames"]
