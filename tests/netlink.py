"""A netlink socket whose kernel answers what a test wants."""

import socket
import struct
from collections.abc import Iterable
from types import TracebackType

import pytest

ERROR, DONE = 2, 3


def message(kind: int, body: bytes, number: int = 1) -> bytes:
    """A message from the kernel with the sequence number of a question."""
    return struct.pack("=IHHII", 16 + len(body), kind, 2, number, 4711) + body


def errors(code: int, number: int = 1) -> bytes:
    """The message that ends an answer: an errno, or 0 for success."""
    return message(ERROR, struct.pack("=i", -code) + bytes(16), number)


class Kernel:
    """Takes the place of each socket that is opened, and answers with these datagrams."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *datagrams: bytes) -> None:
        self.sent: list[bytes] = []
        self._datagrams: Iterable[bytes] = iter(datagrams)
        monkeypatch.setattr(socket, "socket", lambda *_: self)

    def __enter__(self) -> "Kernel":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        pass

    def settimeout(self, _: float) -> None:
        pass

    def send(self, data: bytes) -> None:
        self.sent.append(data)

    def recv(self, _: int) -> bytes:
        for datagram in self._datagrams:
            return datagram
        raise TimeoutError("timed out")
