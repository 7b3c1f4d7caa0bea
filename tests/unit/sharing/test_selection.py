from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdma_dp.inventory.hardware import Hca, Inventory, NetDevice, PciFunction, Port
from rdma_dp.sharing.selection import HcaVerdict, Selection, select
from rdma_dp.text import some
from tests.makers import all_selectors, hca, hca_lists, of_sets, resource, selection

Selectors = dict[str, Any]


def chosen(hcas: tuple[Hca, ...], selectors: Selectors) -> set[str]:
    return {taken.name for taken in selection(*hcas, of=resource(**selectors)).chosen}


def verdicts(*hcas: Hca, **selectors: Any) -> Selection:
    return selection(*hcas, of=resource(**selectors))


def the_rejected(found: Selection) -> HcaVerdict:
    (verdict,) = found.rejected
    return verdict


def test_a_selector_matches_by_one_of_its_values() -> None:
    found = verdicts(hca(0), hca(1), hca(2), ifNames=["eth0", "eth2"])
    assert [taken.name for taken in found.chosen] == ["mlx5_0", "mlx5_2"]


def test_every_selector_must_match() -> None:
    found = verdicts(hca(0), hca(1, device="1021"), vendors=["15b3"], deviceIDs=["1021"])
    assert [taken.name for taken in found.chosen] == ["mlx5_1"]


def test_a_resource_without_selectors_would_take_every_hca() -> None:
    assert len(verdicts(hca(0), hca(1)).chosen) == 2


def test_a_reason_has_the_wanted_and_the_found_values() -> None:
    found = verdicts(hca(1), ifNames=["eth8", "eth9"], deviceIDs=["1021"])
    assert the_rejected(found).reasons == (
        "deviceIDs wants 1021; it has 101b",
        "ifNames wants eth8 or eth9; it has eth1",
    )


def test_an_hca_without_the_trait_has_none() -> None:
    found = verdicts(hca(functions=()), vendors=["15b3"])
    assert the_rejected(found).reasons == ("vendors wants 15b3; it has none",)


def test_an_hca_that_cannot_be_shared_is_rejected_although_it_matches() -> None:
    found = verdicts(hca(unshareable="no uverbs"), ifNames=["eth0"])
    assert not found.chosen
    assert the_rejected(found).reasons == ("no uverbs",)


def test_the_link_layer_is_the_link_type_of_an_hca_without_netdevs() -> None:
    infiniband = hca(netdevs=(), ports=(Port(1, link_layer="InfiniBand"),))
    assert infiniband.link_types == ("infiniband",)
    assert verdicts(infiniband, linkTypes=["infiniband"]).chosen


def test_the_link_type_of_a_netdev_goes_before_the_link_layer() -> None:
    opa = hca(
        netdevs=(NetDevice("ib0", "ether"),),
        ports=(Port(1, None, None, "InfiniBand", None, ("ib0",)),),
    )
    assert opa.link_types == ("ether",)


def test_an_hca_with_two_kinds_of_ports_has_two_link_types() -> None:
    mixed = hca(
        netdevs=(), ports=(Port(1, link_layer="InfiniBand"), Port(2, link_layer="Ethernet"))
    )
    assert mixed.link_types == ("infiniband", "ether")


@pytest.mark.parametrize(
    ("count", "shown"), [(1, "a0"), (3, "a0, a1, a2"), (5, "a0, a1, a2 and 2 more")]
)
def test_long_lists_of_names_are_cut(count: int, shown: str) -> None:
    assert some(tuple(f"a{number}" for number in range(count)), 3) == shown


def test_of_many_wanted_values_six_are_shown() -> None:
    globs = [f"nothing{number}*" for number in range(19_000)]
    (shown,) = the_rejected(verdicts(hca(0), ifNames=globs)).reasons
    six = " or ".join(globs[:6])
    assert shown == f"ifNames wants {six} and 18994 more; it has eth0"


def test_of_many_found_values_six_are_shown() -> None:
    functions = tuple(PciFunction(f"0000:3b:{n >> 3:02x}.{n & 7}") for n in range(200))
    found = verdicts(hca(functions=functions), pciAddresses=["0000:18:00.0"])
    (shown,) = the_rejected(found).reasons
    assert shown.endswith("0000:3b:00.4, 0000:3b:00.5 and 194 more")
    assert shown.count("0000:3b:") == 6


def test_a_very_long_value_is_cut() -> None:
    (shown,) = the_rejected(verdicts(hca(0), ifNames=["x" * 100])).reasons
    assert shown == f"ifNames wants {'x' * 80}...; it has eth0"


def test_hcas_with_the_same_reasons_are_grouped() -> None:
    found = verdicts(hca(0), hca(1, device="1021"), hca(2), deviceIDs=["101d"])
    assert found.rejections == (
        (("mlx5_0", "mlx5_2"), ("deviceIDs wants 101d; it has 101b",)),
        (("mlx5_1",), ("deviceIDs wants 101d; it has 1021",)),
    )


@given(hca_lists(), all_selectors)
def test_each_hca_is_either_chosen_or_rejected_with_a_reason(
    hcas: tuple[Hca, ...], selectors: Selectors
) -> None:
    found = selection(*hcas, of=resource(**selectors))
    assert [verdict.hca for verdict in found.verdicts] == list(hcas)
    assert len(found.chosen) + len(found.rejected) == len(hcas)
    assert all(verdict.reasons for verdict in found.rejected)
    assert all(not verdict.reasons for verdict in found.verdicts if verdict.chosen)
    shown = [name for names, _ in found.rejections for name in names]
    assert sorted(shown) == sorted(verdict.hca.name for verdict in found.rejected)


@given(hca_lists(), all_selectors, all_selectors)
def test_another_value_never_removes_an_hca(
    hcas: tuple[Hca, ...], selectors: Selectors, further: Selectors
) -> None:
    wider = {name: values and values + further[name] for name, values in selectors.items()}
    assert chosen(hcas, selectors) <= chosen(hcas, wider)


@given(hca_lists(), all_selectors, all_selectors)
def test_exclude_removes_every_hca_that_one_of_its_selectors_matches(
    hcas: tuple[Hca, ...], selectors: Selectors, excluded: Selectors
) -> None:
    matching = set().union(
        *(chosen(hcas, {name: values}) for name, values in excluded.items() if values)
    )
    assert chosen(hcas, {**selectors, "exclude": excluded}) == chosen(hcas, selectors) - matching


@given(hca_lists(), all_selectors, all_selectors)
def test_another_selector_never_adds_an_hca(
    hcas: tuple[Hca, ...], selectors: Selectors, further: Selectors
) -> None:
    both = {name: selectors[name] or further[name] for name in selectors}
    assert chosen(hcas, both) <= chosen(hcas, selectors)


# --- several sets of selectors ------------------------------------------------------------------


def test_any_set_takes_an_hca_and_each_set_is_named_in_the_reasons() -> None:
    """C7: an HCA is chosen if any set matches; `exclude` counts for its own set only."""
    first = {"deviceIDs": ["101b"], "exclude": {"ifNames": ["eth0"]}}
    wanted = of_sets(first, {"vendors": ["8086"]})
    e810 = PciFunction("0000:09:00.0", "8086", "1592")
    hcas = (hca(0), hca(1), hca(2, device="1021"), hca(9, functions=(e810,)))
    found = select(Inventory(hcas), wanted)
    assert [each.name for each in found.chosen] == ["mlx5_1", "mlx5_9"]
    assert found.rejections == (
        (
            ("mlx5_0",),
            (
                "[0].exclude.ifNames leaves out eth0; it has eth0",
                "[1].vendors wants 8086; it has 15b3",
            ),
        ),
        (
            ("mlx5_2",),
            ("[0].deviceIDs wants 101b; it has 1021", "[1].vendors wants 8086; it has 15b3"),
        ),
    )


@given(hca_lists(), st.lists(all_selectors, min_size=1, max_size=3))
def test_several_sets_take_what_any_of_them_takes(hcas: Any, sets: list[dict[str, Any]]) -> None:
    found = select(Inventory(hcas), of_sets(*sets))
    of_each = [select(Inventory(hcas), resource(**one)).chosen for one in sets]
    assert set(map(id, found.chosen)) == {id(each) for chosen in of_each for each in chosen}
    assert len(found.chosen) + len(found.rejected) == len(hcas)
    assert all(each.reasons for each in found.rejected)
