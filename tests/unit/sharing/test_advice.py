from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest

from rdma_dp.config import Resource
from rdma_dp.inventory.hardware import (
    CharDevice,
    Hca,
    Inventory,
    PciFunction,
    System,
    UnusedFunction,
)
from rdma_dp.inventory.verdicts import Unused, UnusedCode
from rdma_dp.sharing import advice
from rdma_dp.sharing.advice import node_warnings, resource_warnings
from rdma_dp.sharing.selection import select
from tests.makers import RDMA_CM, SYSTEM, hca, of_sets, resource, selection


def unused(
    reason: str, remedy: str | None = None, netdevs: tuple[str, ...] = (), number: int = 0
) -> UnusedFunction:
    function = PciFunction(f"0000:05:00.{number}", "15b3", "1021", driver="mlx5_core", numa_node=1)
    return UnusedFunction(function, netdevs, Unused(UnusedCode.MADE_NO_HCA, reason, remedy))


def unbound(number: int, vf: int | None = None) -> UnusedFunction:
    """A function without a driver: a VF of 0000:05:00.0 if `vf` is given."""
    address = f"0000:05:00.{number}"
    physfn = None if vf is None else "0000:05:00.0"
    function = PciFunction(address, "15b3", "101e", physfn=physfn, vf=vf)
    reason = Unused(UnusedCode.NO_DRIVER, "no driver is bound", f"echo {address} > bind")
    return UnusedFunction(function, (), reason)


def steps(of: Resource, *hcas: Hca, others: tuple[UnusedFunction, ...] = ()) -> tuple[str, ...]:
    inventory = Inventory(hcas, others, SYSTEM)
    return tuple(map(str, advice.steps(select(inventory, of), inventory)))


def modules(**loaded: bool) -> System:
    return System("shared", RDMA_CM, MappingProxyType(loaded))


# --- what to do next ----------------------------------------------------------------------------


def test_a_resource_with_an_hca_needs_no_step() -> None:
    assert steps(resource(ifNames=["eth0"]), hca()) == ()


def test_the_nearest_hca_misses_the_fewest_selectors() -> None:
    (step,) = steps(
        resource(deviceIDs=["1021"], ifNames=["eth1"]), hca(0), hca(1), hca(2, unshareable="x")
    )
    assert step.startswith("the nearest is mlx5_1: deviceIDs wants 1021; it has 101b.")


def test_among_equals_the_nearest_is_the_most_similar_name() -> None:
    (step,) = steps(
        resource(ifNames=["ens1f0np0"]), hca(0, netdev="ibp24s0"), hca(1, netdev="ens1f1np1")
    )
    assert step.startswith("the nearest is mlx5_1: ifNames wants ens1f0np0; it has ens1f1np1.")


@pytest.mark.parametrize(
    ("wanted", "found", "shown"),
    [
        ("ens1f0np0", "ens1f1np1", "ens1f1np1 is, by its name on the same card."),
        ("enp41s0f0np0", "enp41s0f1np1", "enp41s0f1np1 is, by its name on the same card."),
        ("enP2p41s0f0np0", "enP3p41s0f0np0", "enP3p41s0f0np0 is."),
        ("ens1f0np0", "ens11f0np0", "ens11f0np0 is."),
        ("eth0", "eth1", "eth1 is."),
    ],
)
def test_a_netdev_that_is_not_on_the_node_is_named_with_the_most_similar_one(
    wanted: str, found: str, shown: str
) -> None:
    (step,) = steps(resource(ifNames=[wanted]), hca(netdev=found))
    assert f" {wanted} is not on this node; {shown} If you mean this HCA, change" in step


def test_a_name_that_only_an_alternative_name_can_be_is_explained() -> None:
    """C4: ifNames takes alternative names, so check-config accepts up to 127 characters."""
    (step,) = steps(resource(ifNames=["ens1f0np0-storage"]), hca(netdev="ens1f0np0"))
    assert (
        "ens1f0np0-storage has 17 characters, so it can only be an alternative name; a name has at"
        " most 15." in step
    )


def test_a_netdev_on_the_node_or_a_pattern_is_not_reported_as_absent() -> None:
    here = resource(ifNames=["eth1"], deviceIDs=["1021"])
    for wanted in (here, resource(ifNames=["ens[12]*"])):
        (step,) = steps(wanted, hca(0), hca(1))
        assert "not on this node" not in step


def test_an_hca_that_matches_but_cannot_be_shared_is_reported_with_the_reason() -> None:
    (step,) = steps(
        resource(ifNames=["eth0", "eth1"]),
        hca(0, unshareable="no uverbs"), hca(1, unshareable="no uverbs"), hca(2),
    )  # fmt: skip
    assert step == "mlx5_0, mlx5_1 would match, but cannot be shared: no uverbs"


def test_a_matching_function_without_an_hca_is_reported_with_the_reason() -> None:
    (step,) = steps(
        resource(ifNames=["ens1f0np0"], linkTypes=["ether"]),
        hca(netdev="eth9"),
        others=(unused("mlx5_ib is not loaded", "modprobe mlx5_ib", ("ens1f0np0",)),),
    )
    assert step == (
        "0000:05:00.0 may match, but has no HCA: mlx5_ib is not loaded: try `modprobe mlx5_ib`"
    )


def test_link_types_alone_match_no_function() -> None:
    (step,) = steps(resource(linkTypes=["infiniband"]), hca(), others=(unused("broken"),))
    assert step.startswith("the nearest is mlx5_0: linkTypes wants infiniband; it has ether.")


@pytest.mark.parametrize(
    "selectors",
    [
        {"pciAddresses": ["0000:05:00.0-7"]},
        {"numaNodes": [1]},
        {"functionTypes": ["pf"]},
        {"ifNames": ["ens1*"], "pfNames": ["ens1f0np0"]},
        {"vendors": ["15b3"], "exclude": {"pfNames": ["ens2*"], "functionTypes": ["vf"]}},
    ],
)
def test_a_function_matches_by_the_traits_that_it_has_without_an_hca(
    selectors: dict[str, Any],
) -> None:
    (step,) = steps(resource(**selectors), others=(unused("broken", netdevs=("ens1f0np0",)),))
    assert step == "0000:05:00.0 would match, but has no HCA: broken"


@pytest.mark.parametrize(
    "selectors",
    [
        {"rdmaDevices": ["mlx5_0"]},
        {"linkTypes": ["ether"]},
        {"exclude": {"rdmaDevices": ["mlx5_1"]}},
        {"exclude": {"linkTypes": ["ether"], "functionTypes": ["vf"]}},
    ],
)
def test_selectors_that_need_an_hca_may_match_a_function(selectors: dict[str, Any]) -> None:
    others = (unused("no mlx5_ib", "modprobe mlx5_ib"), unbound(1))
    assert steps(resource(vendors=["15b3"], **selectors), others=others) == (
        "0000:05:00.0 may match, but has no HCA: no mlx5_ib: try `modprobe mlx5_ib`",
        "0000:05:00.1 may match, but has no HCA: no driver is bound",
    )


def test_a_bind_command_is_shown_for_a_function_that_would_match() -> None:
    (step,) = steps(resource(vendors=["15b3"]), others=(unbound(1),))
    assert step.endswith("no driver is bound: try `echo 0000:05:00.1 > bind`")


@pytest.mark.parametrize(
    ("numbers", "matching"),
    [
        ("#3", ["0000:05:00.5"]),
        ("#0-9", ["0000:05:00.5", "0000:05:00.6"]),
        ("", ["0000:05:00.5", "0000:05:00.6"]),
        ("#9", []),
    ],
)
@pytest.mark.parametrize("pf_has_an_hca", [True, False])
def test_a_vf_matches_by_its_pf_and_its_number(
    numbers: str, matching: list[str], pf_has_an_hca: bool
) -> None:
    vfs = (unbound(5, vf=3), unbound(6, vf=4))
    wanted = resource(vendors=["15b3"], functionTypes=["vf"], pfNames=[f"ens1f0np0{numbers}"])
    pf = unused("broken", netdevs=("ens1f0np0",))
    if pf_has_an_hca:
        found = steps(wanted, hca(functions=(pf.function,), pf_names=pf.netdevs), others=vfs)
    else:
        found = steps(wanted, others=(pf, *vfs))
    named = [step.partition(" ")[0].rstrip(",") for step in found if "would match" in step]
    assert named == matching
    assert steps(resource(pfNames=["ens9"]), others=vfs)[0].startswith("no driver is bound")


def test_a_vf_on_one_pf_of_a_bond_does_not_match_by_the_other() -> None:
    first, second = (
        unused("", netdevs=("ens1f0np0",)),
        unused("x", netdevs=("ens1f1np1",), number=1),
    )
    bond = hca(functions=(first.function, second.function), pf_names=("ens1f0np0", "ens1f1np1"))
    others = (second, unbound(5, vf=3))
    (step,) = steps(resource(functionTypes=["vf"], pfNames=["ens1f0np0"]), bond, others=others)
    assert "0000:05:00.5 would match" in step
    (step,) = steps(resource(functionTypes=["vf"], pfNames=["ens1f1np1"]), bond, others=others)
    assert "would match" not in step


@pytest.mark.parametrize(
    "selectors",
    [
        {"pciAddresses": ["0000:05:00.1-7"]},
        {"numaNodes": [0]},
        {"functionTypes": ["vf", "sf", "virtual"]},
        {"vendors": ["15b3"], "exclude": {"ifNames": ["ens1f0*"]}},
        {"rdmaDevices": ["mlx5_0"]},
        {"linkTypes": ["ether"], "exclude": {"rdmaDevices": ["mlx5_1"]}},
        {"pfNames": ["ens1f0np1"], "exclude": {"drivers": ["ice"]}},
        {"pfNames": ["ens1f0np0#0-3"]},
        {"vendors": ["15b3"], "exclude": {"pfNames": ["ens1f0np0"]}},
    ],
)
def test_other_functions_do_not_match(selectors: dict[str, Any]) -> None:
    (step,) = steps(resource(**selectors), others=(unused("broken", netdevs=("ens1f0np0",)),))
    assert " match" not in step


def test_functions_with_the_same_reason_are_reported_together() -> None:
    others = (
        unused("a", "x"),
        unused("b", number=1),
        unused("a", "x", number=2),
        unused("a", number=3),
    )
    assert steps(resource(vendors=["15b3"]), others=others) == (
        "0000:05:00.0, 0000:05:00.2 would match, but have no HCA: a: try `x`",
        "0000:05:00.1 would match, but has no HCA: b",
        "0000:05:00.3 would match, but has no HCA: a",
    )


def test_an_excluded_hca_is_less_near_than_one_with_a_similar_name() -> None:
    (step,) = steps(
        resource(ifNames=["eth[01]", "ens1f0np0"], exclude={"ifNames": ["eth0"]}),
        hca(0),
        hca(5, netdev="ens1f1np1"),
    )
    assert step.startswith("the nearest is mlx5_5: ifNames wants eth[01] or ens1f0np0; it has ")


def test_of_many_values_the_first_twenty_are_compared() -> None:
    for others, nearest in ((19, "mlx5_1"), (20, "mlx5_0")):
        names = [*(f"q{number}" for number in range(others)), "ens1fxnpx"]
        (step,) = steps(
            resource(ifNames=names), hca(0, netdev="------"), hca(1, netdev="ens-f-np-")
        )
        assert step.startswith(f"the nearest is {nearest}: ")


def test_a_node_without_hcas_gets_the_commands_that_create_them() -> None:
    others = tuple(unused("mlx5_ib is not loaded", "modprobe mlx5_ib", number=n) for n in range(2))
    found = steps(resource(vendors=["8086"]), others=others)
    assert found == ("mlx5_ib is not loaded: try `modprobe mlx5_ib`",)


def test_a_node_without_rdma_hardware_is_reported() -> None:
    (step,) = steps(resource(vendors=["8086"]), others=(unused("driver e1000e has no RDMA"),))
    assert step == "no network function of this node supports RDMA; `rdma-dp discover` lists them"


def test_without_any_hardware_the_step_asks_for_the_right_sys() -> None:
    assert "is /sys the host's?" in steps(resource(vendors=["15b3"]))[0]


def test_of_several_sets_the_nearest_is_shown() -> None:
    """C7: the set with the fewest mismatches is compared, and named."""
    wanted = of_sets({"vendors": ["8086"], "drivers": ["ice"]}, {"deviceIDs": ["1021"]})
    (step,) = steps(wanted, hca(0))
    assert step.startswith("the nearest is mlx5_0: [1].deviceIDs wants 1021; it has 101b.")


def test_a_function_matches_by_any_set() -> None:
    """C7: each set is compared with a function without an HCA."""
    others = (unused("broken", netdevs=("ens1f0np0",)),)
    wanted = of_sets({"vendors": ["8086"]}, {"ifNames": ["ens1*"], "linkTypes": ["ether"]})
    assert steps(wanted, others=others) == ("0000:05:00.0 may match, but has no HCA: broken",)
    wanted = of_sets({"ifNames": ["ens1*"]}, {"ifNames": ["ens1*"], "linkTypes": ["ether"]})
    assert steps(wanted, others=others) == ("0000:05:00.0 would match, but has no HCA: broken",)


# --- warnings -----------------------------------------------------------------------------------


def test_a_resource_without_faults_has_no_warning() -> None:
    assert resource_warnings(selection(hca()), modules(ib_umad=True)) == ()


def test_a_resource_without_hcas_has_no_warning() -> None:
    assert resource_warnings(selection(), System()) == ()


def test_missing_modules_are_named_with_the_programs_that_fail() -> None:
    warnings = resource_warnings(
        selection(hca()), System("shared", None, MappingProxyType({"ib_umad": False}))
    )
    assert [w.partition(":")[0] for w in warnings] == ["no rdma_cm", "no umad"]
    assert "`modprobe rdma_ucm`" in warnings[0]
    assert "`modprobe ib_umad`" in warnings[1]


def test_a_faulty_device_node_is_named() -> None:
    umad = CharDevice("umad0", None, checked=True, fault="/dev/infiniband/umad0 is missing")
    (warning,) = resource_warnings(selection(hca(umads=(umad,))), SYSTEM)
    assert warning == "/dev/infiniband/umad0 is missing; containers do not get it"


def test_without_management_nothing_is_said_of_umad() -> None:
    umad = CharDevice("umad0", None, checked=True, fault="/dev/infiniband/umad0 is missing")
    off = replace(resource(), management=False)
    found = selection(hca(umads=(umad,)), of=off)
    assert resource_warnings(found, modules(ib_umad=False)) == ()


def test_an_hca_without_an_active_port_is_named() -> None:
    (warning,) = resource_warnings(selection(hca(0), hca(1, state="DOWN")), SYSTEM)
    assert "no active port" in warning
    assert "mlx5_1" in warning
    assert "port 1 is DOWN" in warning


def test_an_hca_in_two_resources_is_reported_once() -> None:
    inventory = Inventory((hca(0), hca(1)), (), SYSTEM)
    one = select(inventory, resource(name="one", ifNames=["eth0"]))
    two = select(inventory, resource(name="two", vendors=["15b3"]))
    assert node_warnings(inventory, [one, two]) == (
        "mlx5_0 is in several resources: rdma/one, rdma/two",
    )
    assert node_warnings(inventory, [one]) == ()


def test_hcas_of_the_same_resources_are_reported_together() -> None:
    hcas = tuple(hca(number, functions=()) for number in range(258))
    inventory = Inventory(hcas, (), SYSTEM)
    taking: list[tuple[str, dict[str, Any]]] = [
        ("a", {"linkTypes": ["ether"]}),
        ("b", {"ifNames": ["eth*"], "exclude": {"ifNames": ["eth0", "eth1"]}}),
        ("c", {"ifNames": ["eth1", "eth2"]}),
    ]
    selections = [select(inventory, resource(name=name, **how)) for name, how in taking]
    assert node_warnings(inventory, selections) == (
        "mlx5_1 is in several resources: rdma/a, rdma/c",
        "mlx5_2 is in several resources: rdma/a, rdma/b, rdma/c",
        "mlx5_3, mlx5_4 and 253 more are in several resources: rdma/a, rdma/b",
    )


def test_of_many_resources_six_are_shown() -> None:
    inventory = Inventory((hca(0),), (), SYSTEM)
    selections = [select(inventory, resource(name=f"r{number}")) for number in range(100)]
    (warning,) = node_warnings(inventory, selections)
    assert warning.endswith("rdma/r4, rdma/r5 and 94 more")
