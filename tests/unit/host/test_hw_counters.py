"""The counters of a port by netlink, with messages written by hand as a live kernel sends them."""

import errno
import socket
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdma_dp.host.netlink import nldev
from rdma_dp.host.netlink.hw_counters import HwCounters
from tests.unit.host.test_queue_pairs import nested
from tests.unit.host.test_rdma_netlink import attributes, text, u32, u64

GET, STAT_GET = 0x1401, 0x1411


def stats(counters: Mapping[str, int]) -> bytes:
    entries = [(81, nested((82, text(name)), (83, u64(n)))) for name, n in counters.items()]
    return attributes({1: u32(2), 2: text("mlx5_0"), 3: u32(1), 80: nested(*entries)})


class Kernel:
    """Answers for mlx5_0, whose index is 2. A number is an error code."""

    def __init__(self, answer: list[bytes] | int) -> None:
        self.answer = answer
        self.asked: list[tuple[int, bool, bytes]] = []

    def ask(self, command: int, body: bytes, dump: bool) -> list[bytes]:
        self.asked.append((command, dump, body))
        devices = [attributes({1: u32(2), 2: text("mlx5_0")}), attributes({1: u32(3)})]
        answer = devices if command == GET else self.answer
        if isinstance(answer, int):
            raise OSError(answer, "no")
        return answer


def test_one_message_has_all_counters_of_a_port() -> None:
    counters = {"out_of_sequence": 7, "np_cnp_sent": 2**64 - 1}
    kernel = Kernel([stats(counters)])
    assert nldev.counters(kernel.ask, set())("mlx5_0", 1) == counters
    assert kernel.asked == [
        (GET, True, b""),
        (STAT_GET, False, attributes({1: u32(2), 3: u32(1)})),
    ]


def test_an_hca_that_the_kernel_does_not_list_is_not_asked_for() -> None:
    kernel = Kernel([stats({})])
    assert nldev.counters(kernel.ask, set())("mlx5_9", 1) is None
    assert len(kernel.asked) == 1


@pytest.mark.parametrize("code", [errno.EINVAL, errno.EMSGSIZE, errno.EOPNOTSUPP])
def test_what_the_kernel_refuses_is_not_asked_again(code: int) -> None:
    kernel, refused = Kernel(code), set[tuple[int, int]]()
    for _ in range(2):
        assert nldev.counters(kernel.ask, refused)("mlx5_0", 1) is None
    assert [command for command, *_ in kernel.asked] == [GET, STAT_GET, GET]


def test_a_kernel_without_memory_is_asked_again() -> None:
    kernel, refused = Kernel(errno.ENOMEM), set[tuple[int, int]]()
    for _ in range(2):
        assert nldev.counters(kernel.ask, refused)("mlx5_0", 1) is None
    assert [command for command, *_ in kernel.asked] == [GET, STAT_GET, GET, STAT_GET]


def test_a_kernel_without_the_attribute_has_no_counters() -> None:
    kernel = Kernel([attributes({1: u32(2)})])
    assert nldev.counters(kernel.ask, set())("mlx5_0", 1) == {}


@given(st.binary(max_size=200), st.binary(max_size=40), st.binary(max_size=12))
def test_odd_tables_cost_counters_only(data: bytes, entry: bytes, value: bytes) -> None:
    odd = nested((81, entry), (81, nested((82, entry), (83, value))))
    answer = attributes({1: u32(2), 80: odd + data})
    for name, number in nldev.counters_in([answer]).items():
        assert isinstance(name, str)
        assert number is None or isinstance(number, int)


def test_without_rdma_netlink_there_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refused:
        def __init__(self, *_: int) -> None:
            raise OSError(errno.EPROTONOSUPPORT, "no such protocol")

    monkeypatch.setattr(socket, "socket", Refused)
    with HwCounters(live=True).asking() as ask:
        assert ask("mlx5_0", 1) is None


def test_a_host_that_is_not_this_machine_asks_no_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", None)
    with HwCounters(live=False).asking() as ask:
        assert ask("mlx5_0", 1) is None
