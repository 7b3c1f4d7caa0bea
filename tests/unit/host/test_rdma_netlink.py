"""The wire format of RDMA netlink, with messages written by hand as a live kernel sends them."""

import errno
import socket
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pyroute2.netlink.exceptions import NetlinkError

from rdma_dp.host.netlink import nldev, rdma_queries
from rdma_dp.host.netlink.values import NldevDevice

GET, PORT_GET, SYS_GET = 0x1401, 0x1405, 0x1406
DEV_INDEX = 1
REQUEST, ACK, DUMP = 0x1, 0x4, 0x300


def u8(value: int) -> bytes:
    return struct.pack("=B", value)


def u32(value: int) -> bytes:
    return struct.pack("=I", value)


def u64(value: int) -> bytes:
    return struct.pack("=Q", value)


def text(value: str) -> bytes:
    return value.encode() + b"\0"


def message(kind: int, attributes: Mapping[int, bytes]) -> bytes:
    body = b"".join(
        struct.pack("=HH", 4 + len(data), number) + data + bytes(-len(data) % 4)
        for number, data in attributes.items()
    )
    return struct.pack("=IHHII", 16 + len(body), kind, 2, 255, 0) + body


def device(index: int, name: str, **more: bytes) -> bytes:
    """What kernel 6.1 answers to GET for rxe. `more` is a5="..." for attribute 5."""
    attributes = {
        1: u32(index), 2: text(name), 3: u32(1), 4: u64(0x1221C76), 6: u64(1), 7: u64(1),
        14: u8(1), 84: u8(0), 67: text("roce"),
    }  # fmt: skip
    return message(GET, {**attributes, **{int(key[1:]): data for key, data in more.items()}})


def port(index: int, name: str, number: int, netdev: str | None) -> bytes:
    attributes = {1: u32(index), 2: text(name), 3: u32(number), 12: u8(4), 13: u8(5)}
    if netdev is not None:
        attributes |= {50: u32(3), 51: text(netdev)}
    return message(PORT_GET, attributes)


class Kernel:
    """Answers as the kernel does: one message for SYS_GET, dumps for the others."""

    def __init__(self, answers: Mapping[tuple[int, int | None], list[bytes] | int]) -> None:
        self.answers = answers
        self.asked: list[tuple[int, int]] = []

    def nlm_request(self, request: Any, command: int, flags: int) -> list[Any]:
        request["header"] = {"type": command, "flags": flags, "sequence_number": 1, "pid": 0}
        request.encode()
        self.asked.append((command, flags))
        answer = self.answers.get((command, self._index(bytes(request.data))), errno.EINVAL)
        if isinstance(answer, int):
            raise NetlinkError(answer)
        marshal = nldev.NldevMarshal()
        return [parsed for data in answer for parsed in marshal.parse(data)]

    @staticmethod
    def _index(request: bytes) -> int | None:
        """DEV_INDEX, if it is the request's first attribute."""
        if len(request) == 16:
            return None
        length, number, index = struct.unpack_from("=HHI", request, 16)
        assert (length, number) == (8, DEV_INDEX)
        return int(index)


def test_a_kernels_whole_answer_becomes_a_view() -> None:
    kernel = Kernel(
        {
            (SYS_GET, None): [message(SYS_GET, {66: u8(1), 96: u8(0), 93: u8(1)})],
            (GET, None): [device(0, "rxe0"), device(2, "rxe9")],
            (PORT_GET, 0): [port(0, "rxe0", 1, "d0")],
            (PORT_GET, 2): [port(2, "rxe9", 1, None)],
        }
    )
    view = nldev.view(kernel)
    assert view.netns_mode == "shared"
    assert dict(view.devices) == {
        "rxe0": NldevDevice("rxe0", protocol="roce", netdevs={1: "d0"}),
        "rxe9": NldevDevice("rxe9", protocol="roce", netdevs={}),
    }


def test_sys_get_is_no_dump_and_the_others_are() -> None:
    kernel = Kernel(
        {
            (SYS_GET, None): [message(SYS_GET, {66: u8(0)})],
            (GET, None): [device(0, "rxe0")],
            (PORT_GET, 0): [],
        }
    )
    assert nldev.view(kernel).netns_mode == "exclusive"
    assert kernel.asked == [
        (SYS_GET, REQUEST | ACK),  # with DUMP the kernel answers EINVAL
        (GET, REQUEST | DUMP),
        (PORT_GET, REQUEST | DUMP),
    ]


def test_an_smi_companion_says_so_and_whom_it_serves() -> None:
    kernel = Kernel(
        {(GET, None): [device(1, "smi0", a99=u8(1), a100=text("mlx5_0"))], (PORT_GET, 1): []}
    )
    smi = nldev.view(kernel).devices["smi0"]
    assert (smi.smi, smi.smi_parent) == (True, "mlx5_0")


def test_every_port_has_its_own_netdev() -> None:
    kernel = Kernel(
        {
            (GET, None): [device(0, "mlx4_0")],
            (PORT_GET, 0): [port(0, "mlx4_0", 1, None), port(0, "mlx4_0", 2, "enp5s0d1")],
        }
    )
    assert nldev.view(kernel).devices["mlx4_0"].netdevs == {2: "enp5s0d1"}


def test_an_old_kernel_that_refuses_a_command_costs_that_fact_only() -> None:
    kernel = Kernel({(GET, None): [device(0, "mlx5_0")]})  # SYS_GET and PORT_GET: EINVAL
    view = nldev.view(kernel)
    assert view.netns_mode is None
    assert view.devices["mlx5_0"].netdevs == {}


def test_an_old_kernel_that_omits_attributes_is_no_error() -> None:
    bare = message(GET, {1: u32(0), 2: text("mlx5_0")})
    kernel = Kernel({(GET, None): [bare], (PORT_GET, 0): []})
    assert nldev.view(kernel).devices["mlx5_0"] == NldevDevice("mlx5_0")


def test_an_unknown_netns_mode_is_none() -> None:
    kernel = Kernel({(SYS_GET, None): [message(SYS_GET, {66: u8(7)})]})
    assert nldev.view(kernel).netns_mode is None


@pytest.mark.parametrize("code", [errno.EPROTONOSUPPORT, errno.ENOENT, errno.EPERM])
def test_a_kernel_without_rdma_netlink_is_no_error(
    code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refused:
        def __init__(self, *_: int) -> None:
            raise OSError(code, "no such protocol")

    monkeypatch.setattr(socket, "socket", Refused)
    monkeypatch.setattr(rdma_queries, "IB_CORE", Path("/"))
    assert rdma_queries.query() is None


def test_a_kernel_without_ib_core_is_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A socket would make the kernel load the module."""
    opened = []
    monkeypatch.setattr(socket, "socket", lambda *arguments: opened.append(arguments))
    monkeypatch.setattr(rdma_queries, "IB_CORE", tmp_path / "infiniband")
    assert rdma_queries.query() is None
    assert opened == []


@pytest.mark.parametrize("command", [GET, PORT_GET, SYS_GET])
def test_a_kernel_without_memory_is_not_a_kernel_without_the_facts(command: int) -> None:
    answers: dict[tuple[int, int | None], list[bytes] | int] = {
        (SYS_GET, None): [message(SYS_GET, {66: u8(1)})],
        (GET, None): [device(0, "rxe0")],
        (PORT_GET, 0): [port(0, "rxe0", 1, "d0")],
    }
    (refused,) = (key for key in answers if key[0] == command)
    with pytest.raises(NetlinkError):
        nldev.view(Kernel({**answers, refused: errno.ENOMEM}))
