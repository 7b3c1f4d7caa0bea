"""Netlink messages: packed, parsed, and exchanged with the kernel.

Written here because pyroute2 loads 190 modules, which cost 75 ms and 8 MB in a daemon that asks
five questions. Layouts and constants are from the kernel's include/uapi/linux/netlink.h.
"""

import os
import socket
import struct
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Self

_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence number, port
_ATTRIBUTE = struct.Struct("=HH")  # nlattr: length, type
_CODE = struct.Struct("=i")  # the beginning of NLMSG_ERROR and NLMSG_DONE: an errno below 0, or 0
_TYPE_MASK = 0x3FFF  # NLA_TYPE_MASK: without the flags "nested" and "network byte order"

_NLM_F_REQUEST, _NLM_F_ACK, _NLM_F_DUMP = 0x1, 0x4, 0x300
_NLMSG_ERROR, _NLMSG_DONE = 2, 3

_LARGEST_DATAGRAM = 65536  # bytes; the kernel sends at most 32 KiB (af_netlink.c, netlink_recvmsg)
_DEADLINE = 10.0  # seconds; the kernel has answered when `send` returns

Ask = Callable[[int, bytes, bool], Sequence[bytes]]
"""Sends a message of a type, with a body, and returns the bodies of the answers.

The boolean is whether to ask for a dump: all objects of a kind. Raises OSError when the kernel
refuses.
"""


@contextmanager
def asking(protocol: int) -> Iterator[Ask]:
    """Opens a netlink socket of a protocol for questions, one after the other. Raises OSError."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol) as link:
        link.settimeout(_DEADLINE)
        numbers = count(1)
        yield lambda kind, body, dump: _exchange(link, next(numbers), kind, body, dump=dump)


def _exchange(
    link: socket.socket, number: int, kind: int, body: bytes, *, dump: bool
) -> Sequence[bytes]:
    link.send(message(kind, body, dump=dump, number=number))
    answers: list[bytes] = []
    while True:
        for answer, sequence, content in messages(link.recv(_LARGEST_DATAGRAM)):
            if sequence != number:  # the rest of an answer that was given up
                continue
            if answer not in (_NLMSG_ERROR, _NLMSG_DONE):
                answers.append(content)
                continue
            code = -_CODE.unpack_from(content)[0] if len(content) >= _CODE.size else 0
            if code:
                raise OSError(code, os.strerror(code))
            return answers


def message(kind: int, body: bytes, *, dump: bool, number: int = 0) -> bytes:
    """A request with a header. The kernel ends its answer with NLMSG_DONE or NLMSG_ERROR."""
    flags = _NLM_F_REQUEST | (_NLM_F_DUMP if dump else _NLM_F_ACK)
    return _HEADER.pack(_HEADER.size + len(body), kind, flags, number, 0) + body


def messages(datagram: bytes) -> Iterator[tuple[int, int, bytes]]:
    """The (type, sequence number, body) of each message, up to the first one that is cut off."""
    while len(datagram) >= _HEADER.size:
        length, kind, _, sequence, _ = _HEADER.unpack_from(datagram)
        if not _HEADER.size <= length <= len(datagram):
            return
        yield kind, sequence, datagram[_HEADER.size : length]
        datagram = datagram[length + -length % 4 :]


def packed(kind: int, value: bytes) -> bytes:
    """An attribute."""
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + bytes(-len(value) % 4)


class Attributes:
    """The attributes of a message, or those inside another attribute.

    What has an unexpected length counts as absent, and so does all behind one that is cut off.
    """

    def __init__(self, data: bytes) -> None:
        self._found: dict[int, list[bytes]] = {}
        while len(data) >= _ATTRIBUTE.size:
            length, kind = _ATTRIBUTE.unpack_from(data)
            if not _ATTRIBUTE.size <= length <= len(data):
                return
            value = data[_ATTRIBUTE.size : length]
            self._found.setdefault(kind & _TYPE_MASK, []).append(value)
            data = data[length + -length % 4 :]

    def texts(self, kind: int) -> Iterator[str]:
        """The texts under a type, without the NUL at their end."""
        for value in self._found.get(kind, ()):
            yield value.rstrip(b"\0").decode("utf-8", "replace")

    def value(self, kind: int) -> bytes | None:
        """The first value under a type."""
        return self._found.get(kind, [None])[0]

    def text(self, kind: int) -> str | None:
        """The first text under a type."""
        return next(self.texts(kind), None)

    def number(self, kind: int, size: int) -> int | None:
        """The first value under a type, as a number of `size` bytes without a sign."""
        value = self._found.get(kind, [b""])[0]
        return int.from_bytes(value, sys.byteorder) if len(value) == size else None

    def tables(self, kind: int) -> Iterator[Self]:
        """The attributes inside each attribute of a type."""
        for value in self._found.get(kind, ()):
            yield type(self)(value)
