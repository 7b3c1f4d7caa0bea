"""Statistics of netdevs by ioctl."""

import errno
import fcntl
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdma_dp.host.ethtool import parsed_statistics, statistics
from rdma_dp.host.files import ExhaustedError


def strings(*names: bytes) -> bytes:
    return struct.pack("=III", 0x1B, 1, len(names)) + b"".join(
        name.ljust(32, b"\0") for name in names
    )


def values(*numbers: int) -> bytes:
    return struct.pack(f"=II{len(numbers)}Q", 0x1D, len(numbers), *numbers)


def test_names_and_values_belong_together_by_their_places() -> None:
    found = parsed_statistics(
        strings(b"rx_prio3_pause", b"b" * 32) + bytes(99), values(7, 2**64 - 1)
    )
    assert found == {"rx_prio3_pause": 7, "b" * 32: 2**64 - 1}


def test_statistics_that_were_added_between_the_questions_cost_the_answer() -> None:
    assert parsed_statistics(strings(b"a"), values(1, 2)) == {}
    assert parsed_statistics(strings(b"a", b"b"), values(1)) == {}


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.binary(), st.binary())
def test_any_answer_can_be_read(names: int, numbers: int, first: bytes, second: bytes) -> None:
    head, other = struct.pack("=III", 0x1B, 1, names), struct.pack("=II", 0x1D, numbers)
    found = parsed_statistics(head + first, other + second)
    assert len(found) <= len(first) // 32


@pytest.mark.parametrize("netdev", ["lo", "gone0", "", "x" * 16, "x" * 300, "\udc80"])
def test_a_netdev_without_statistics_has_none(netdev: str) -> None:
    assert statistics(netdev) == {}


def test_every_netdev_of_this_machine_can_be_asked() -> None:
    for netdev in Path("/sys/class/net").iterdir():
        assert all(0 <= value < 2**64 for value in statistics(netdev.name).values())


def test_without_memory_the_answer_is_not_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    monkeypatch.setattr(fcntl, "ioctl", refuse)
    with pytest.raises(ExhaustedError, match="Cannot allocate memory"):
        statistics("lo")
