"""HCAs whose interface is in another network namespace, against selectors of interfaces."""

from typing import Any

import pytest

from rdma_dp.inventory.hardware import Inventory, Port
from rdma_dp.inventory.verdicts import NoInterface, NoInterfaceCode
from rdma_dp.sharing.advice import resource_warnings, steps
from rdma_dp.sharing.selection import Selection, select
from tests.makers import SYSTEM, hca, resource

POD = NoInterface(NoInterfaceCode.OTHER_NETNS, "the interface is in another network namespace")
MODULE = NoInterface(NoInterfaceCode.MODULE, "ib_ipoib is not loaded", "modprobe ib_ipoib")
LOST: dict[str, Any] = {"netdevs": (), "pf_names": (), "no_interface": POD}
HERE = hca(0)
INVENTORY = Inventory((HERE, hca(1, **LOST)), (), SYSTEM)


def selected(inventory: Inventory = INVENTORY, **selectors: Any) -> Selection:
    return select(inventory, resource(**selectors))


def test_the_reason_is_named_and_the_selectors_that_need_no_interface() -> None:
    """C9: "it has none. Change the selectors" named the wrong cause."""
    inventory = Inventory((hca(1, **LOST), hca(2, **LOST)), (), SYSTEM)
    (step,) = steps(selected(inventory, ifNames=["eno1"]), inventory)
    assert step.code is NoInterfaceCode.OTHER_NETNS
    assert step.text == (
        "ifNames wants eno1; that may be mlx5_1, mlx5_2: the interface is in another network"
        " namespace. Select by what needs no interface: rdmaDevices (mlx5_1, mlx5_2), pciAddresses"
        " (0000:01:00.0, 0000:02:00.0), vendors or linkTypes"
    )


def test_the_pods_status_and_the_log_say_where_the_interface_is() -> None:
    found = selected(Inventory((hca(1, **LOST),), (), SYSTEM), ifNames=["eno1"], pfNames=["eno1"])
    (verdict,) = found.rejected
    assert verdict.reasons == (
        "ifNames wants eno1; it has none in this network namespace",
        "pfNames wants eno1; it has none in this network namespace",
    )


def test_beside_an_hca_with_an_interface_both_are_named() -> None:
    nearest, lost = steps(selected(ifNames=["eth7"]), INVENTORY)
    assert "the nearest is mlx5_0" in nearest.text
    assert "that may be mlx5_1" in lost.text


def test_an_hca_that_another_selector_rejects_is_not_meant() -> None:
    (step,) = steps(selected(ifNames=["eth7"], rdmaDevices=["mlx5_0"]), INVENTORY)
    assert "mlx5_1" not in step.text


def test_selectors_that_need_no_interface_take_the_hca_without_a_warning() -> None:
    found = selected(rdmaDevices=["mlx5_1"])
    assert [taken.name for taken in found.chosen] == ["mlx5_1"]
    assert resource_warnings(found, SYSTEM) == ()


def test_a_module_that_is_not_loaded_counts_for_the_nearest_hca_only() -> None:
    without = hca(1, **{**LOST, "no_interface": MODULE})
    alone = Inventory((without,), (), SYSTEM)
    (step,) = steps(selected(alone, ifNames=["ib0"]), alone)
    assert step.command == "modprobe ib_ipoib"
    assert "it has none" in selected(alone, ifNames=["ib0"]).rejected[0].reasons[0]
    both = Inventory((HERE, without), (), SYSTEM)
    (step,) = steps(selected(both, ifNames=["eth7"]), both)
    assert "the nearest is mlx5_0" in step.text


def test_exclude_that_cannot_see_the_interface_is_a_warning() -> None:
    """C9: the HCA that exclude means is handed out."""
    found = selected(vendors=["15b3"], exclude={"ifNames": ["storage0"]})
    (warning,) = resource_warnings(found, SYSTEM)
    assert warning == (
        "mlx5_1: exclude.ifNames cannot match it: the interface is in another network namespace. To"
        " exclude it, use rdmaDevices or pciAddresses"
    )


def test_exclude_that_found_its_interface_is_not() -> None:
    found = selected(vendors=["15b3"], exclude={"ifNames": ["eth0"]})
    assert [taken.name for taken in found.chosen] == ["mlx5_1"]
    assert resource_warnings(found, SYSTEM) == ()


INFINIBAND = (Port(1, "ACTIVE", "LinkUp", "InfiniBand", 200.0),)


@pytest.mark.parametrize("selector", ["ifNames", "pfNames"])
@pytest.mark.parametrize(
    ("names", "meant"),
    [
        (["ib0"], "mlx5_1"),
        (["ibs3"], "mlx5_1"),
        (["ib[0-3]", "ibp24s0"], "mlx5_1"),
        (["eno1"], "mlx5_0"),
        (["eth*"], "mlx5_0"),
        (["ens1f0np0"], "mlx5_0"),
        (["ib0", "eth0"], "mlx5_0, mlx5_1"),
        (["rdma0"], "mlx5_0, mlx5_1"),
    ],
)
def test_the_name_shows_the_link_type(selector: str, names: list[str], meant: str) -> None:
    """C9: for ib0, the advice named the Ethernet HCA."""
    infiniband = hca(1, **LOST, ports=INFINIBAND)
    inventory = Inventory((hca(0, **LOST), infiniband), (), SYSTEM)
    (step,) = steps(selected(inventory, **{selector: names}), inventory)
    assert f"that may be {meant}: the interface" in step.text


def test_the_name_shows_the_link_type_beside_another_hca() -> None:
    """C9: the nearest was the Ethernet HCA with an interface."""
    lost = hca(1, **{**LOST, "no_interface": MODULE}, ports=INFINIBAND)
    inventory = Inventory((HERE, lost), (), SYSTEM)
    (step,) = steps(selected(inventory, ifNames=["ib0"]), inventory)
    assert "that may be mlx5_1: ib_ipoib is not loaded" in step.text
    assert step.command == "modprobe ib_ipoib"


def test_without_an_hca_of_the_link_type_all_are_named() -> None:
    inventory = Inventory((hca(0, **LOST),), (), SYSTEM)
    (step,) = steps(selected(inventory, ifNames=["ib0"]), inventory)
    assert "that may be mlx5_0" in step.text
