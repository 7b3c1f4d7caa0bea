"""C10: a resource that mixes HCAs that a job cannot use together."""

from typing import Any

import pytest

from rdma_dp.inventory.hardware import Hca, Inventory, NetDevice, PciFunction, Port
from rdma_dp.inventory.verdicts import AdviceCode, Code
from rdma_dp.sharing.advice import node_warnings
from rdma_dp.sharing.mixed import mixed
from rdma_dp.sharing.selection import select
from tests.conftest import Look
from tests.makers import hca, resource

VENDOR: dict[str, Any] = {"vendors": ["15b3"]}


def infiniband(number: int, state: str = "ACTIVE", **changes: Any) -> Hca:
    name = f"ib{number}"
    usual: dict[str, Any] = {
        "netdevs": (NetDevice(name, "infiniband"),),
        "ports": (Port(1, state, "LinkUp", "InfiniBand", 200.0, (name,)),),
    }
    return hca(number, **{**usual, **changes})


def of_driver(number: int, vendor: str, driver: str | None) -> Hca:
    function = PciFunction(f"0000:{number:02x}:00.0", vendor, "1592", driver=driver)
    return hca(number, functions=(function,))


def rated(number: int, device: str, rate: float, state: str = "ACTIVE") -> Hca:
    ports = (Port(1, state, "LinkUp", "Ethernet", rate, (f"eth{number}",)),)
    return hca(number, device=device, ports=ports)


def code(*hcas: Hca, **selectors: Any) -> Code | None:
    chosen: dict[str, Any] = selectors or VENDOR
    step = mixed(select(Inventory(hcas), resource(**chosen)))
    return None if step is None else step.code


def test_both_groups_and_the_selector_are_named(look: Look) -> None:
    inventory = look("azure-vf")
    (warning,) = node_warnings(inventory, [select(inventory, resource(**VENDOR))])
    assert warning == (
        "rdma/hca: it mixes InfiniBand HCAs (mlx5_0, mlx5_1, mlx5_2 and 5 more) and Ethernet HCAs"
        " (mlx5_8): InfiniBand and Ethernet ports cannot reach each other; select one kind, such as"
        ' "linkTypes": ["infiniband"], and make a resource for each kind that pods need'
    )


@pytest.mark.parametrize(
    "selectors", [VENDOR, {"rdmaDevices": ["mlx5_*"]}, {"drivers": ["mlx5_core"]}]
)
def test_infiniband_and_ethernet_are_a_mix(selectors: dict[str, Any]) -> None:
    assert code(hca(0), infiniband(1), **selectors) is AdviceCode.MIXED_LINK_TYPES


@pytest.mark.parametrize(
    "selectors",
    [
        {"vendors": ["15b3"], "linkTypes": ["infiniband"]},
        {"linkTypes": ["infiniband", "ether"]},  # on purpose
        {"rdmaDevices": ["mlx5_0", "mlx5_1"]},  # named one by one
        {"ifNames": ["eth0", "ib1"]},
        {"vendors": ["15b3"], "exclude": {"linkTypes": ["ether"]}},
    ],
)
def test_a_choice_of_the_config_is_none(selectors: dict[str, Any]) -> None:
    assert code(hca(0), infiniband(1), **selectors) is None


def test_one_usable_kind_is_none() -> None:
    assert code(hca(0), hca(1)) is None
    assert code(hca(0), hca(1, state="DOWN")) is None
    assert code(hca(0), infiniband(1, ineligible=hca(unshareable="x").ineligible)) is None
    assert code() is None


def test_the_link_type_does_not_depend_on_the_state() -> None:
    """C10: InfiniBand ACTIVE and Ethernet DOWN got no word."""
    assert code(infiniband(0), hca(1, state="DOWN")) is AdviceCode.MIXED_LINK_TYPES
    assert code(hca(0), infiniband(1, "DOWN")) is AdviceCode.MIXED_LINK_TYPES


def test_roce_and_iwarp_cannot_reach_each_other() -> None:
    """Both have the link type ether, and an E810 has the same driver for both."""
    iwarp = hca(1, name="irdma1", protocol="iw")
    selection = select(Inventory((hca(0, protocol="roce"), iwarp)), resource(linkTypes=["ether"]))
    step = mixed(selection)
    assert step is not None
    assert step.code is AdviceCode.MIXED_LINK_TYPES
    assert "RoCE HCAs (mlx5_0) and iWARP HCAs (irdma1): iWARP and RoCE ports" in step.text
    assert '"rdmaDevices": ["mlx5_0"]' in step.text
    assert code(hca(0), hca(2, protocol="roce")) is None
    assert code(iwarp, hca(2, protocol="iw")) is None
    assert code(hca(0), iwarp, rdmaDevices=["mlx5_*", "irdma*"]) is None


def test_omni_path_and_infiniband_cannot_reach_each_other() -> None:
    """C10: both have the link type infiniband; the driver separates them."""
    omni_path = infiniband(1, functions=(PciFunction("0000:01:00.0", "8086", driver="hfi1"),))
    wide: dict[str, Any] = {"linkTypes": ["infiniband"]}
    step = mixed(select(Inventory((infiniband(0), omni_path)), resource(**wide)))
    assert step is not None
    assert step.code is AdviceCode.MIXED_LINK_TYPES
    assert step.text.startswith(
        "it mixes InfiniBand HCAs (mlx5_0) and Omni-Path HCAs (mlx5_1): Omni-Path and InfiniBand"
        ' ports cannot reach each other; select one kind, such as "drivers": ["mlx5_core"], and'
    )
    assert code(infiniband(0), omni_path, drivers=["mlx5_core", "hfi1"]) is None
    assert code(omni_path, infiniband(2, functions=omni_path.functions), **wide) is None


def test_an_hca_with_both_link_types_is_not_reported_by_itself() -> None:
    both = (NetDevice("ib0", "infiniband"), NetDevice("eth0", "ether"))
    assert code(infiniband(0), hca(1, netdevs=both, ports=())) is None


def test_hcas_of_two_drivers_are_a_mix() -> None:
    intel = of_driver(1, "8086", "ice")
    wide: dict[str, Any] = {"linkTypes": ["ether"]}
    assert code(hca(0), intel, **wide) is AdviceCode.MIXED_DRIVERS
    assert code(hca(0), of_driver(1, "1414", "mana"), **wide) is AdviceCode.MIXED_DRIVERS
    assert code(hca(0), intel, **wide, drivers=["ice", "mlx5_core"]) is None
    assert code(hca(0), of_driver(1, "8086", None), **wide) is None


def test_an_hca_in_software_is_a_mix_with_hardware() -> None:
    software = hca(1, name="rxe0", functions=())
    wide: dict[str, Any] = {"linkTypes": ["ether"]}
    assert code(hca(0), software, **wide) is AdviceCode.MIXED_FUNCTION_TYPES
    assert code(software, **wide) is None


@pytest.mark.parametrize(
    ("first", "second", "mix"),
    [(400, 100, True), (400, 200, True), (200, 400, True), (100, 56, False)],
)
def test_kinds_whose_speeds_differ_by_a_factor_are_a_mix(
    first: float, second: float, mix: bool
) -> None:
    found = code(rated(0, "1021", first), rated(1, "101d", second))
    assert found is (AdviceCode.MIXED_SPEEDS if mix else None)


def test_a_slow_link_within_a_kind_is_no_matter_of_the_selectors() -> None:
    assert code(rated(0, "1021", 400), rated(1, "1021", 100)) is None
    assert code(rated(0, "1021", 400), rated(1, "101d", 100, "DOWN")) is None
    ids: dict[str, Any] = {"deviceIDs": ["1021", "101d"]}
    assert code(rated(0, "1021", 400), rated(1, "101d", 100), **ids) is None


def test_each_hca_is_named_with_its_own_speed() -> None:
    """C10: one HCA at 200 Gb/s was counted among "400 Gb/s HCAs", with its device ID as advice."""
    hcas = (rated(0, "1021", 400), rated(1, "1021", 200), rated(2, "1017", 100))
    step = mixed(select(Inventory(hcas), resource(**VENDOR)))
    assert step is not None
    assert step.text.startswith(
        "it mixes 400 Gb/s HCAs (mlx5_0) and 200 Gb/s HCAs (mlx5_1) and 100 Gb/s HCAs (mlx5_2): "
    )
    assert 'such as "pciAddresses": ["0000:00:00.0"], and' in step.text
    both: dict[str, Any] = {"deviceIDs": ["1021", "1017"]}
    assert mixed(select(Inventory(hcas), resource(**both))) is None
