"""What differs between two scans."""

from dataclasses import replace

from hypothesis import given

from rdma_dp.inventory.changes import changed_hcas, changed_ports
from rdma_dp.inventory.hardware import Hca, Inventory, Port
from tests.makers import hca, hca_lists


@given(hca_lists())
def test_nothing_differs_from_itself(hcas: tuple[Hca, ...]) -> None:
    same = Inventory(hcas)
    assert changed_hcas(same, same) == {"added": (), "removed": ()}
    assert list(changed_ports(same, same)) == []


@given(hca_lists(), hca_lists())
def test_what_was_added_one_way_is_removed_the_other_way(
    some: tuple[Hca, ...], others: tuple[Hca, ...]
) -> None:
    there = changed_hcas(Inventory(some), Inventory(others))
    back = changed_hcas(Inventory(others), Inventory(some))
    assert set(there["added"]) == set(back["removed"])
    assert set(there["removed"]) == set(back["added"])


def test_a_name_on_other_hardware_is_a_new_hca() -> None:
    moved = replace(hca(1), name="mlx5_0")
    before, after = Inventory((hca(0),)), Inventory((moved,))
    assert changed_hcas(before, after) == {"added": ("mlx5_0",), "removed": ("mlx5_0",)}
    assert list(changed_ports(before, after)) == []


def test_each_port_whose_state_changed() -> None:
    before = hca(0, ports=(Port(1, "ACTIVE"), Port(2, "DOWN")))
    after = hca(0, ports=(Port(1, "DOWN"), Port(2, "DOWN"), Port(3, "ACTIVE")))
    assert list(changed_ports(Inventory((before,)), Inventory((after,)))) == [("mlx5_0", 1)]
