"""The arithmetic of the list's size agrees with what protobuf really makes of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdma_dp.kubelet.api import deviceplugin_pb2
from rdma_dp.list_size import MESSAGE_LIMIT, MOST_SLOTS, list_bytes


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
