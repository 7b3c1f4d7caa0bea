"""Devices of ResourceSlices: their names, attributes, slots and health."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdma_dp.config import DraSettings, DraSlots, Preference
from rdma_dp.dra.devices import NUMA_NODE, PCI_BUS_ID, PCIE_ROOT, DeviceKind, dra_devices
from rdma_dp.dra.dra_names import device_name, slot_name
from rdma_dp.formats.list_size import MOST_SLOTS
from rdma_dp.inventory.hardware import Hca, NetDevice, Port, Subfunction
from rdma_dp.inventory.topology import Topology
from tests.makers import hca, hca_lists, pool, resource
from tests.unit.dra.makers import devices, places, settings, via_dra

LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", re.ASCII)

names = st.from_regex(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", fullmatch=True)
keys = st.none() | st.sampled_from(
    ["0000:18:00.0", "0000:18:00.1", "10000:01:00.0", "0000:18:00.0-sf4", "rxe0", "0000-18-00-0"]
)


# --- names --------------------------------------------------------------------------------------


@given(names, keys, st.integers(0, MOST_SLOTS - 1))
def test_a_name_is_a_dns_label(name: str, key: str | None, number: int) -> None:
    made = device_name(resource(name=name), key)
    for each in (made, slot_name(made, number)):
        assert LABEL.fullmatch(each)
        assert len(each) <= 63


@given(st.lists(st.tuples(names, keys), unique=True, max_size=6))
def test_names_differ(wanted: list[tuple[str, str | None]]) -> None:
    made = [device_name(resource(name=name), key) for name, key in wanted]
    assert len(set(made)) == len(made)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a_b", None), ("a-b", None)),
        (("hca-0000-18-00-0", None), ("hca", "0000:18:00.0")),
        (("A", None), ("a", None)),
        (("hca", "0000-18-00-0"), ("hca", "0000:18:00.0")),
        (("x" * 62 + "y", None), ("x" * 62 + "z", None)),
    ],
)
def test_names_that_look_alike_differ(
    one: tuple[str, str | None], other: tuple[str, str | None]
) -> None:
    first, second = (device_name(resource(name=name), key) for name, key in (one, other))
    assert first != second


def test_plain_names_are_readable() -> None:
    (device,) = devices(hca(0x18))
    assert device.name == "hca-0000-18-00-0"
    (device,) = devices(hca(), of=via_dra(name="rdma-a", per_hca=False))
    assert device.name == "rdma-a"
    (device,) = devices(hca(subfunction=Subfunction("mlx5_core.sf.2", 7)))
    assert device.name == "hca-0000-00-00-0-sf7"


def test_a_renamed_hca_keeps_the_name_of_its_device() -> None:
    (before,), (after,) = devices(hca()), devices(hca(name="ibp1"))
    assert before.name == after.name
    assert (before.hcas, after.hcas) == (("mlx5_0",), ("ibp1",))


# --- attributes ---------------------------------------------------------------------------------


def test_the_attributes_of_an_hca() -> None:
    (device,) = devices(hca(1, numa=0), firmware={"mlx5_1": "28.41.1000"})
    assert dict(device.attributes) == {
        "resourceName": "hca",
        "kind": "hca",
        "rdmaDevice": "mlx5_1",
        "linkType": "ether",
        "functionType": "pf",
        "vendor": "15b3",
        "deviceID": "101b",
        "firmware": "28.41.1000",
        "rateGbps": 200,
        "netdev": "eth1",
        "numaNode": 0,
        PCIE_ROOT: "pci0000:00",
        PCI_BUS_ID: "0000:01:00.0",
        NUMA_NODE: 0,
    }


def test_a_whole_resource_has_what_its_hcas_have_in_common() -> None:
    (device,) = devices(hca(0), hca(1, device="1021"), of=via_dra(per_hca=False))
    assert device.kind is DeviceKind.RESOURCE
    assert device.hcas == ("mlx5_0", "mlx5_1")
    found = device.attributes
    assert (found["vendor"], found["deviceID"], found["rdmaDevice"]) == ("15b3", "", "")
    assert found["rateGbps"] == 200
    assert not {PCIE_ROOT, PCI_BUS_ID, NUMA_NODE} & set(found)


@given(hca_lists())
def test_every_device_has_the_same_names_of_ours_within_the_limits(hcas: tuple[Hca, ...]) -> None:
    found = devices(*hcas) + devices(*hcas, of=via_dra(per_hca=False, name="all"))
    assert len({frozenset(n for n in each.attributes if "/" not in n) for each in found}) <= 1
    for device in found:
        assert len(device.attributes) + 1 <= 32  # and the capacity
        for name, value in device.attributes.items():
            assert len(name.rpartition("/")[2]) <= 32
            assert not isinstance(value, str) or len(value.encode()) <= 64


@pytest.mark.parametrize("name", ["ü" * 60, "\udcff" * 60, "x" * 200])
def test_a_long_text_is_cut_by_its_bytes(name: str) -> None:
    (device,) = devices(hca(), firmware={"mlx5_0": name})
    found = device.attributes["firmware"]
    assert isinstance(found, str)
    assert 60 < len(found.encode()) <= 64


def test_an_override_of_the_pcie_root_counts() -> None:
    chosen = settings(pcieRoots={"0000:01:00.0": "pci0009:00"})
    first, second = devices(hca(0), hca(1), settings=chosen)
    assert first.attributes[PCIE_ROOT] == "pci0000:00"
    assert second.attributes[PCIE_ROOT] == "pci0009:00"


def test_a_virtual_hca_has_no_standard_attribute() -> None:
    (device,) = devices(Hca("rxe0", ports=(Port(1, "ACTIVE", rate=2.5),), uverbs=hca().uverbs))
    assert not any("/" in name for name in device.attributes)
    assert device.attributes["numaNode"] == -1
    assert device.attributes["rateGbps"] == 2


def test_a_port_that_is_down_does_not_move_attributes() -> None:
    (up,) = devices(hca())
    down = hca(ports=(Port(1, "DOWN", "Disabled", "Ethernet", 10.0),), netdevs=())
    known = {up.name: up.attributes}
    (after,) = devices(down, known=known)
    assert dict(after.attributes) == dict(up.attributes)
    (faster,) = devices(hca(ports=(Port(1, "ACTIVE", rate=400.0),)), known=known)
    assert faster.attributes["rateGbps"] == 400


def test_other_hardware_at_the_same_address_begins_anew() -> None:
    (before,) = devices(hca())
    other = hca(device="1021", ports=(Port(1, "ACTIVE", rate=100.0),), netdevs=())
    (after,) = devices(other, known={before.name: before.attributes})
    assert (after.attributes["rateGbps"], after.attributes["netdev"]) == (100, "")


def test_a_netdev_is_the_first_of_the_ports() -> None:
    two = hca(netdevs=(NetDevice("a"), NetDevice("b")), ports=(Port(1, netdevs=("b",)),))
    assert devices(two)[0].attributes["netdev"] == "b"


# --- slots and health ---------------------------------------------------------------------------


def test_only_resources_via_dra_have_devices() -> None:
    assert dra_devices([pool(hca())], Topology(), DraSettings()) == ()


def test_shared_slots_are_the_capacity_of_one_device() -> None:
    assert [device.slots for device in devices(hca(0), hca(1))] == [3, 3]


def test_each_slot_can_be_a_device_in_an_order_that_spreads() -> None:
    each = settings(slots="each")
    assert each.slots is DraSlots.EACH
    found = devices(hca(0), hca(1), of=via_dra(2), settings=each)
    spread = [f"hca-0000-0{n}-00-0-{slot}" for slot in (0, 1) for n in (0, 1)]
    assert [device.name for device in found] == spread
    packed = devices(hca(0), hca(1), of=via_dra(2, preference=Preference.PACK), settings=each)
    assert [device.name for device in packed] == sorted(spread)
    assert {device.slots for device in found + packed} == {None}


def test_a_link_down_counts_after_its_delay() -> None:
    up, down = hca(), hca(state="DOWN")
    before = pool(up, of=via_dra())
    soon = pool(down, of=via_dra(), before=before)
    (device,) = dra_devices([soon], places(down), DraSettings())
    assert (device.down, device.healthy) == (False, True)
    assert "no ACTIVE port" in device.message
    (device,) = devices(down)
    assert (device.down, device.healthy) == (True, False)
    lax = replace(via_dra().health, require_active_port=False)
    (device,) = devices(down, of=via_dra(health=lax))
    assert (device.down, device.healthy, device.message) == (False, True, "")


def test_the_device_of_an_hca_that_is_gone_is_gone() -> None:
    before = pool(hca(0), hca(1), of=via_dra())
    now = pool(hca(1), of=via_dra(), before=before)
    assert [each.hcas for each in dra_devices([now], Topology(), DraSettings())] == [("mlx5_1",)]
