"""Distances in the PCIe tree, as nvidia-smi and NCCL name them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdma_dp.inventory.hardware import PciFunction
from rdma_dp.inventory.topology import (
    DIRECT,
    Distance,
    Gpu,
    Place,
    Topology,
    bridges_between,
    distance,
)
from tests.makers import hca


def place(path: str, numa: int | None = 0) -> Place:
    """ "pci0000:15/port/up/down/gpu" as a place."""
    host_bridge, *bridges, address = path.split("/")
    return Place(address, host_bridge, tuple(bridges), numa)


GPU = place("A/port/up/down1/gpu")


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (place("A/port/up/down2/hca"), Distance.PIX),  # below the same switch
        (place("A/port/up/down1/hca"), Distance.PIX),  # another function of the same card
        (place("A/port/up/down2/inner/hca"), Distance.PXB),  # behind a bridge of its own card
        (place("A/port/up/down2/up2/down3/hca"), Distance.PXB),  # below a switch of the switch
        (place("A/port2/hca"), Distance.PHB),  # another port of the same CPU
        (place("A/port2/hca", None), Distance.PHB),
        (place("B/port/hca"), Distance.NODE),
        (place("B/port/hca", 1), Distance.SYS),
        (place("A/port2/hca", 1), Distance.SYS),  # a tree without its roots: the firmware is right
        (place("B/port/hca", None), Distance.UNKNOWN),
    ],
)
def test_what_lies_between_has_a_name(other: Place, expected: Distance) -> None:
    assert distance(GPU, other) is expected
    assert distance(other, GPU) is expected


def test_functions_on_the_root_bus_meet_in_the_host_bridge() -> None:
    assert distance(place("A/gpu"), place("A/hca")) is Distance.PHB


def test_the_bridges_below_the_shared_one_turn_traffic_around() -> None:
    assert bridges_between(GPU, place("A/port/up/down2/hca")) == ("down1", "down2")
    assert bridges_between(GPU, place("A/port2/hca")) == ()
    assert bridges_between(GPU, place("B/port/up/hca")) == ()


_places = st.builds(
    Place,
    st.sampled_from(("a", "b", "c")),
    st.sampled_from(("pci0000:00", "pci0000:80")),
    st.lists(st.sampled_from(("1", "2")), max_size=5).map(tuple),
    st.none() | st.integers(0, 1),
)


@given(_places, _places)
def test_a_distance_is_the_same_from_both_sides(one: Place, other: Place) -> None:
    assert distance(one, other) is distance(other, one)
    assert (distance(one, other) in DIRECT) is bool(
        one.host_bridge == other.host_bridge and one.bridges[:1] == other.bridges[:1] != ()
    )


@given(_places, _places, st.lists(st.just("x"), max_size=3).map(tuple))
def test_going_further_down_never_comes_nearer(
    one: Place, other: Place, further: tuple[str, ...]
) -> None:
    deeper = Place(one.address, one.host_bridge, (*one.bridges, *further), one.numa_node)
    if one.bridges != other.bridges[: len(one.bridges)]:  # else the way leads towards it
        assert distance(deeper, other).rank >= distance(one, other).rank


# --- GPUs and HCAs ------------------------------------------------------------------------------


def topology(**places: tuple[Place, ...]) -> Topology:
    gpu = Gpu("GPU0", PciFunction("gpu"), GPU)
    return Topology((gpu,), places)


def test_a_bond_is_as_near_as_its_nearer_function() -> None:
    both = (place("B/port/one", 1), place("A/port/up/down2/two"))
    found = topology(mlx5_0=both)
    assert found.distance(found.gpus[0], hca(0)) is Distance.PIX


def test_the_nearest_are_all_that_are_so_near() -> None:
    near, far = place("A/port2/hca"), place("B/port/hca")
    found = topology(mlx5_0=(near,), mlx5_1=(far,), mlx5_2=(near,), mlx5_3=())
    hcas = [hca(number) for number in range(4)]
    assert found.nearest(found.gpus[0], hcas) == (Distance.PHB, (hcas[0], hcas[2]))
    assert found.nearest(found.gpus[0], hcas[3:]) == (None, ())


def test_what_no_pod_can_have_is_measured_only_where_there_is_nothing_else() -> None:
    found = topology(mlx5_0=(GPU,), mlx5_1=(GPU,))
    manager, usual = hca(0, unshareable="switch management"), hca(1)
    assert found.measured([manager, usual]) == (usual,)
    assert found.measured([manager]) == (manager,)
