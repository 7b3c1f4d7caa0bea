"""The computed size of a list equals the size of the message that protobuf encodes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdma_dp.formats.list_size import MESSAGE_LIMIT, MOST_SLOTS, list_bytes, most_slots, slot_bytes
from rdma_dp.formats.slot_ids import LONGEST_KEY, PCI_KEY
from rdma_dp.inventory.hardware import Hca, PciFunction, Subfunction
from rdma_dp.kubelet.api import deviceplugin_pb2

LONGEST_NUMBER = 2**63 - 1


def slot(slot_id: str, numa_node: int | None, health: str = "Unhealthy") -> deviceplugin_pb2.Device:
    device = deviceplugin_pb2.Device(ID=slot_id, health=health)
    if numa_node is not None:
        device.topology.nodes.add(ID=numa_node)
    return device


def serialized(slots: int) -> int:
    devices = [deviceplugin_pb2.Device(ID=str(i), health="Unhealthy") for i in range(slots)]
    return deviceplugin_pb2.ListAndWatchResponse(devices=devices).ByteSize()


@given(st.integers(min_value=0, max_value=2000))
def test_list_bytes_is_what_protobuf_makes(slots: int) -> None:
    assert list_bytes(slots) == serialized(slots)


@pytest.mark.parametrize("slots", [9, 10, 11, 9_999, 10_001, MOST_SLOTS])
def test_list_bytes_at_the_edges(slots: int) -> None:
    assert list_bytes(slots) == serialized(slots)


def test_the_most_slots_just_fit() -> None:
    assert serialized(MOST_SLOTS) <= MESSAGE_LIMIT < serialized(MOST_SLOTS + 1)


@given(
    st.text(min_size=1, max_size=300),
    st.none() | st.integers(0, LONGEST_NUMBER),
    st.sampled_from(["Healthy", "Unhealthy"]),
)
def test_no_slot_is_larger_than_slot_bytes(
    slot_id: str, numa_node: int | None, health: str
) -> None:
    message = deviceplugin_pb2.ListAndWatchResponse(devices=[slot(slot_id, numa_node, health)])
    bound = slot_bytes(len(slot_id.encode()), topology=numa_node is not None)
    assert message.ByteSize() <= bound
    assert bound <= message.ByteSize() + 14  # two letters of health, a number, a longer length


@given(st.integers(0, 300), st.integers(1, LONGEST_KEY), st.none() | st.integers(0, LONGEST_NUMBER))
def test_no_list_of_one_hca_is_larger_than_list_bytes(
    slots: int, key: int, numa_node: int | None
) -> None:
    devices = [slot(f"{'k' * key}-{number}", numa_node) for number in range(slots)]
    size = deviceplugin_pb2.ListAndWatchResponse(devices=devices).ByteSize()
    assert size <= list_bytes(slots, key, topology=numa_node is not None)


@pytest.mark.parametrize("topology", [False, True])
def test_the_most_slots_of_an_hca_just_fit(topology: bool) -> None:
    most = most_slots(LONGEST_KEY, topology)
    key, numa_node = "k" * LONGEST_KEY, LONGEST_NUMBER if topology else None
    devices = [slot(f"{key}-{number}", numa_node) for number in range(most)]
    size = deviceplugin_pb2.ListAndWatchResponse(devices=devices).ByteSize()
    assert size <= MESSAGE_LIMIT < list_bytes(most + 1, LONGEST_KEY, topology)


@pytest.mark.parametrize("topology", [False, True])
def test_the_most_slots_of_a_pci_function_just_fit(topology: bool) -> None:
    key, numa_node = "0000:3b:00.0", LONGEST_NUMBER if topology else None
    most = most_slots(PCI_KEY, topology)
    devices = [slot(f"{key}-{number}", numa_node) for number in range(most)]
    size = deviceplugin_pb2.ListAndWatchResponse(devices=devices).ByteSize()
    assert size <= MESSAGE_LIMIT < list_bytes(most + 1, PCI_KEY, topology)


@pytest.mark.parametrize("sfnum", [None, 2**32 - 1])
def test_no_stable_key_is_longer_than_the_longest(sfnum: int | None) -> None:
    function = PciFunction("ffffffff:ff:1f.7")
    hca = Hca("x", (function,), subfunction=Subfunction(f"mlx5_core.sf.{2**32 - 1}", sfnum))
    assert len(hca.stable_key) <= LONGEST_KEY
    assert len(Hca("n" * 63).stable_key) <= LONGEST_KEY  # IB_DEVICE_NAME_MAX less its NUL
