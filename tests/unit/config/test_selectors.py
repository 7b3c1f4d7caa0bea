"""What each selector compares, and the reasons of `dry-run` when it does not match."""

from dataclasses import replace
from typing import Any

import pytest

from rdma_dp.config import Selectors
from rdma_dp.config.selector_sets import KEYS
from rdma_dp.inventory.hardware import Hca, NetDevice, PciFunction, Subfunction
from rdma_dp.sharing.selection import Comparison, mismatches
from tests.makers import hca, resource

PF = PciFunction("0000:3b:00.0", "15b3", "101b", driver="mlx5_core", numa_node=1)
VF = PciFunction(
    "0000:3b:00.5", "15b3", "101e", driver="mlx5_core", numa_node=1, physfn="0000:3b:00.0", vf=3
)
PF_NAMES = ("ens1f0np0",)


def pf(**changes: Any) -> Hca:
    usual: dict[str, Any] = {"functions": (PF,), "pf_names": PF_NAMES, "netdev": "ens1f0np0"}
    return hca(0, **{**usual, **changes})


def vf(number: int | None = 3) -> Hca:
    function = PciFunction(VF.address, physfn=VF.physfn, vf=number, numa_node=1)
    return hca(1, functions=(function,), pf_names=PF_NAMES, netdev="ens1f0v3")


def sf(sfnum: int | None = 88) -> Hca:
    subfunction = Subfunction("mlx5_core.sf.4", sfnum)
    return hca(2, functions=(PF,), pf_names=PF_NAMES, subfunction=subfunction, netdev="ens1s88")


def virtual() -> Hca:
    return hca(3, name="rxe0", functions=(), netdev="eth0")


def said(of: Hca, **selectors: Any) -> list[str]:
    return [str(found) for found in mismatches(of, resource(**selectors).selector_sets[0])]


def matches(of: Hca, **selectors: Any) -> bool:
    return not said(of, **selectors)


def test_every_trait_is_compared() -> None:
    values: dict[str, Any] = {"numaNodes": [99], "pciAddresses": ["ffff:00:00.0"]}
    values |= {"vendors": ["ffff"], "deviceIDs": ["ffff"]}
    values |= {"linkTypes": ["infiniband"], "functionTypes": ["sf"]}
    names = [*KEYS.values()]
    wanted = {name: values.get(name, ["something-else"]) for name in names}
    speaking = mismatches(pf(), resource(**wanted).selector_sets[0])
    assert [mismatch.selector for mismatch in speaking] == names


# --- names --------------------------------------------------------------------------------------


def test_an_altname_is_a_name_of_the_interface() -> None:
    renamed = hca(netdevs=(NetDevice("eth0", "ether", altnames=("ens1f0np0", "enp24s0f0np0")),))
    assert matches(renamed, ifNames=["enp24s0f0np0"])
    assert said(renamed, ifNames=["ens2"]) == [
        "ifNames wants ens2; it has eth0, ens1f0np0, enp24s0f0np0"
    ]


@pytest.mark.parametrize(
    ("glob", "meant"), [("eth*", True), ("eth?", True), ("eth[12]", False), ("[!e]*", False)]
)
def test_interfaces_and_hcas_take_globs(glob: str, meant: bool) -> None:
    assert matches(hca(0, netdev="eth0"), ifNames=[glob]) is meant
    assert matches(hca(0, name="eth0"), rdmaDevices=[glob]) is meant


def test_an_interface_may_really_be_called_like_a_glob() -> None:
    assert matches(hca(netdev="eth[1]"), ifNames=["eth[1]"])
    assert matches(hca(netdev="eth1"), ifNames=["eth[1]"])


def test_a_glob_is_shown_as_it_is_written() -> None:
    assert said(hca(7), rdmaDevices=["mlx5_[0-3]", "mlx5_bond_*"]) == [
        "rdmaDevices wants mlx5_[0-3] or mlx5_bond_*; it has mlx5_7"
    ]


def test_drivers_are_exact() -> None:
    assert said(pf(), drivers=["mlx5"]) == ["drivers wants mlx5; it has mlx5_core"]


# --- where it sits ------------------------------------------------------------------------------


def test_a_range_of_addresses_is_shown_as_it_is_written() -> None:
    assert matches(vf(), pciAddresses=["0000:3b:00.2-0000:3b:01.1"])
    assert said(pf(), pciAddresses=["0000:3b:00.2-7", "0000:5e:*"]) == [
        "pciAddresses wants 0000:3b:00.2-7 or 0000:5e:*; it has 0000:3b:00.0"
    ]


def test_a_roce_bond_is_found_by_the_address_of_either_function() -> None:
    bond = pf(functions=(PF, PciFunction("0000:3b:00.1")))
    assert matches(bond, pciAddresses=["0000:3b:00.1"])


def test_a_subfunction_is_found_by_the_address_of_its_parent() -> None:
    assert matches(sf(), pciAddresses=["0000:3b:00.0"])


@pytest.mark.parametrize(
    ("of", "kind"), [(pf(), "pf"), (vf(), "vf"), (sf(), "sf"), (virtual(), "virtual")]
)
def test_the_type_of_the_function(of: Hca, kind: str) -> None:
    assert matches(of, functionTypes=[kind])
    others = [other for other in ("pf", "vf", "sf", "virtual") if other != kind]
    assert said(of, functionTypes=others) == [
        f"functionTypes wants {' or '.join(others)}; it has {kind}"
    ]


def test_the_numa_node_and_none() -> None:
    assert matches(pf(), numaNodes=[0, 1])
    assert said(pf(), numaNodes=[0]) == ["numaNodes wants 0; it has 1"]
    on_node_0 = pf(functions=(PciFunction("0000:3b:00.0", numa_node=0),))
    assert matches(on_node_0, numaNodes=[0])
    for without in (virtual(), hca()):
        assert said(without, numaNodes=[0]) == ["numaNodes wants 0; it has none"]


# --- PF names -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "meant"),
    [
        ("ens1f0np0", [True, True, True]),
        ("ens1f0*", [True, True, True]),
        ("ens1f0np0#0-3", [False, True, False]),
        ("ens1f0np0#0,88", [False, False, True]),
        ("ens1f0np0#3,80-90", [False, True, True]),
        ("ens1f1np1", [False, False, False]),
        ("ens1f1np1#0-99", [False, False, False]),
    ],
)
def test_a_pf_its_vf_3_and_its_sf_88(wanted: str, meant: list[bool]) -> None:
    assert [matches(of, pfNames=[wanted]) for of in (pf(), vf(), sf())] == meant


def test_a_pf_name_that_does_not_match_is_shown_with_the_number() -> None:
    wanted = ["ens1f0np0#0-2"]
    assert said(vf(), pfNames=wanted) == ["pfNames wants ens1f0np0#0-2; it has ens1f0np0#3"]
    assert said(pf(), pfNames=wanted) == ["pfNames wants ens1f0np0#0-2; it has ens1f0np0"]
    assert said(virtual(), pfNames=wanted) == ["pfNames wants ens1f0np0#0-2; it has none"]


@pytest.mark.parametrize("of", [vf(None), sf(None)])
def test_a_function_of_unknown_number_is_one_of_its_pf_alone(of: Hca) -> None:
    assert matches(of, pfNames=["ens1f0np0"])
    assert not matches(of, pfNames=["ens1f0np0#0-4294967295"])


# --- exclude ------------------------------------------------------------------------------------


def test_exclude_says_what_left_the_hca_out() -> None:
    exclude = {"ifNames": ["eth0", "eth1"], "vendors": ["8086"]}
    assert said(hca(0), vendors=["15b3"], exclude=exclude) == [
        "exclude.ifNames leaves out eth0; it has eth0"
    ]
    assert matches(hca(2), vendors=["15b3"], exclude=exclude)


def test_each_selector_of_exclude_excludes_by_itself() -> None:
    found = mismatches(
        vf(), resource(exclude={"functionTypes": ["vf"], "pfNames": ["ens1*#0-3"]}).selector_sets[0]
    )
    assert found == (
        Comparison("exclude.pfNames", ("ens1*#0-3",), ("ens1f0np0#3",), agrees=True, excludes=True),
        Comparison("exclude.functionTypes", ("vf",), ("vf",), agrees=True, excludes=True),
    )


def test_an_hca_without_the_property_is_not_excluded() -> None:
    assert matches(virtual(), exclude={"numaNodes": [0], "pciAddresses": ["*"], "pfNames": ["*"]})


def test_a_copy_with_other_values_compares_with_these() -> None:
    one = Selectors(if_names=("eth0",))
    assert one.matchers["if_names"].matches("eth0")
    other = replace(one, if_names=("eth1",))
    assert other.matchers["if_names"].matches("eth1")
    assert not other.matchers["if_names"].matches("eth0")
