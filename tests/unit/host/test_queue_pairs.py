"""The owners of queue pairs, with messages written by hand as a live kernel sends them."""

import errno
import socket
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroute2.netlink.exceptions import NetlinkError

from rdma_dp.host.netlink import nldev, rdma_queries
from rdma_dp.host.netlink.values import QueuePairs
from tests.unit.host.test_rdma_netlink import message, text, u32, u64

GET, RES_GET, RES_QP_GET = 0x1401, 0x1409, 0x140A


def nested(*attributes: tuple[int, bytes]) -> bytes:
    return b"".join(
        struct.pack("=HH", 4 + len(data), number) + data + bytes(-len(data) % 4)
        for number, data in attributes
    )


def summary(qps: int) -> bytes:
    entries = [(16, nested((17, text(name)), (18, u64(n)))) for name, n in (("pd", 9), ("qp", qps))]
    return message(RES_GET, {1: u32(0), 2: text("mlx5_0"), 15: nested(*entries)})


def dump(*owners: int | str | None) -> bytes:
    """A QP for each: of a process, of the kernel (a name), or of an unnamed process (None)."""
    entries = []
    for number, owner in enumerate(owners):
        attributes = [(21, u32(number))]
        if isinstance(owner, str):
            attributes.append((29, text(owner)))
        elif owner is not None:
            attributes.append((28, u32(owner)))
        entries.append((20, nested(*attributes)))
    return message(RES_QP_GET, {1: u32(0), 2: text("mlx5_0"), 19: nested(*entries)})


class Kernel:
    """Answers each command for one device. A number is an error code."""

    def __init__(self, answers: Mapping[int, list[bytes] | int]) -> None:
        self.answers = {GET: [message(GET, {1: u32(0), 2: text("mlx5_0")})], **answers}

    def nlm_request(self, _: Any, command: int, __: int) -> list[Any]:
        answer = self.answers[command]
        if isinstance(answer, int):
            raise NetlinkError(answer)
        marshal = nldev.ResourceMarshal()
        return [parsed for data in answer for parsed in marshal.parse(data)]


def found(qps: int, *owners: int | str | None) -> QueuePairs:
    kernel = Kernel({RES_GET: [summary(qps)], RES_QP_GET: [dump(*owners)]})
    return nldev.queue_pairs(kernel)["mlx5_0"]


def test_queue_pairs_are_counted_by_their_owners() -> None:
    assert found(4, 7, 7, 9, "ib_core") == QueuePairs({7: 2, 9: 1}, nameless=0)


def test_an_owner_that_the_kernel_does_not_name_is_counted() -> None:
    assert found(2, None, 7) == QueuePairs({7: 1}, nameless=1)
    assert found(1, 0) == QueuePairs({}, nameless=1), "older kernels: 0 outside of the namespace"


def test_what_is_in_the_sum_and_not_in_the_list_is_nameless() -> None:
    """Kernels before 5.9 do not list QPs of inner PID namespaces."""
    assert found(5, "ib_core", 7) == QueuePairs({7: 1}, nameless=3)


def test_a_queue_pair_made_between_the_two_answers_is_counted_once() -> None:
    assert found(1, 7, 7) == QueuePairs({7: 2})


@pytest.mark.parametrize("refused", [RES_GET, RES_QP_GET])
def test_a_kernel_that_refuses_omits_the_hca(refused: int) -> None:
    answers: dict[int, list[bytes] | int] = {RES_GET: [summary(0)], RES_QP_GET: [dump()]}
    assert dict(nldev.queue_pairs(Kernel({**answers, refused: errno.EINVAL}))) == {}


@pytest.mark.parametrize("refused", [RES_GET, RES_QP_GET])
def test_a_kernel_without_memory_is_not_a_kernel_that_refuses(refused: int) -> None:
    answers: dict[int, list[bytes] | int] = {RES_GET: [summary(0)], RES_QP_GET: [dump()]}
    with pytest.raises(NetlinkError):
        nldev.queue_pairs(Kernel({**answers, refused: errno.ENOMEM}))


def test_without_rdma_netlink_there_are_no_queue_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refused:
        def __init__(self, *_: int) -> None:
            raise OSError(errno.EPROTONOSUPPORT, "no such protocol")

    monkeypatch.setattr(socket, "socket", Refused)
    monkeypatch.setattr(rdma_queries, "IB_CORE", Path("/"))
    assert rdma_queries.query_queue_pairs() is None


def test_a_sum_of_another_length_is_none() -> None:
    short = nested((16, nested((17, text("qp")), (18, u32(3)))))
    kernel = Kernel({RES_GET: [message(RES_GET, {15: short})], RES_QP_GET: [dump(7)]})
    assert nldev.queue_pairs(kernel)["mlx5_0"] == QueuePairs({7: 1})


def test_objects_are_counted_by_their_type() -> None:
    assert nldev.objects(Kernel({RES_GET: [summary(3)]})) == {"mlx5_0": {"pd": 9, "qp": 3}}
    assert nldev.objects(Kernel({RES_GET: errno.EINVAL})) == {"mlx5_0": {}}
    with pytest.raises(NetlinkError):
        nldev.objects(Kernel({RES_GET: errno.ENOMEM}))


def test_a_device_without_a_name_is_left_out() -> None:
    assert nldev.queue_pairs(Kernel({GET: [message(GET, {1: u32(0)})]})) == {}


@given(st.lists(st.tuples(st.integers(0, 110), st.binary(max_size=24))))
def test_no_attributes_make_it_fail(attributes: list[tuple[int, bytes]]) -> None:
    """Older and newer kernels omit, add and change attributes."""
    entry = nested(*attributes)
    odd = [
        message(RES_GET, {15: nested((16, entry), *attributes)}),
        message(RES_QP_GET, {19: nested((20, entry), *attributes)}),
    ]
    kernel = Kernel({RES_GET: [summary(0), odd[0]], RES_QP_GET: [dump(7), odd[1]]})
    nldev.queue_pairs(kernel)
    nldev.objects(kernel)
