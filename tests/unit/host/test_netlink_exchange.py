"""Netlink messages as bytes: questions, answers, errors, and what is cut off."""

import errno
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdma_dp.host.netlink.exchange import Attributes, asking, messages, packed
from tests.netlink import DONE, Kernel, errors, message

ROUTE = socket.NETLINK_ROUTE
RTM_GETLINK = 18
LINKS = bytes(16)  # an ifinfomsg of zeros: all links


def test_a_question_asks_for_an_end_of_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel(monkeypatch, errors(0, 1), message(DONE, bytes(4), 2))
    with asking(ROUTE) as ask:
        assert ask(7, b"body", False) == []
        assert ask(8, b"", True) == []
    assert kernel.sent == [
        struct.pack("=IHHII", 20, 7, 0x1 | 0x4, 1, 0) + b"body",  # NLM_F_REQUEST, NLM_F_ACK
        struct.pack("=IHHII", 16, 8, 0x1 | 0x300, 2, 0),  # NLM_F_REQUEST, NLM_F_DUMP
    ]


def test_a_dump_may_come_in_several_datagrams(monkeypatch: pytest.MonkeyPatch) -> None:
    first = message(7, b"one4") + message(7, b"two4")
    Kernel(monkeypatch, first, message(7, b"odd") + b"\0", message(DONE, bytes(4)))
    with asking(ROUTE) as ask:
        assert ask(7, b"", True) == [b"one4", b"two4", b"odd"]


@pytest.mark.parametrize("kind", ["error", "done"])
def test_an_errno_in_either_end_is_raised(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    code = struct.pack("=i", -errno.EPERM)
    Kernel(monkeypatch, errors(errno.EPERM) if kind == "error" else message(DONE, code))
    with asking(ROUTE) as ask, pytest.raises(PermissionError):
        ask(7, b"", True)


def test_what_answers_an_earlier_question_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    late = message(7, b"late", 1) + errors(errno.EPERM, 1)
    Kernel(monkeypatch, errors(errno.EINVAL, 1), late, message(7, b"ours", 2) + errors(0, 2))
    with asking(ROUTE) as ask:
        with pytest.raises(OSError, match="Invalid argument"):
            ask(7, b"", False)
        assert ask(7, b"", False) == [b"ours"]


def test_the_kernel_of_this_machine_answers() -> None:
    with asking(ROUTE) as ask:
        names = [Attributes(link[16:]).text(3) for link in ask(RTM_GETLINK, LINKS, True)]
        assert "lo" in names
        with pytest.raises(OSError, match="not supported"):
            ask(5000, b"", False)
        assert len(ask(RTM_GETLINK, LINKS, True)) == len(names)


def test_attributes_by_their_types() -> None:
    inner = packed(1, b"one\0") + packed(1, b"two\0") + packed(2, b"\1\2\3\4")
    found = Attributes(packed(5 | 0x8000, inner) + packed(6, b"\7"))
    (table,) = found.tables(5)
    assert list(table.texts(1)) == ["one", "two"]
    assert (table.text(1), table.text(3)) == ("one", None)
    assert table.number(2, 4) == struct.unpack("=I", b"\1\2\3\4")[0]
    assert (table.number(2, 8), found.number(6, 1), found.number(9, 1)) == (None, 7, None)


@given(st.binary(max_size=60), st.integers(0, 80))
def test_no_bytes_break_the_reading(data: bytes, length: int) -> None:
    cut = (message(7, packed(1, data)) + message(8, data))[:length]
    for kind, number, body in [*messages(data), *messages(cut)]:
        assert kind >= 0
        assert number >= 0
        assert all(len(text) <= len(body) for text in Attributes(body).texts(1))
