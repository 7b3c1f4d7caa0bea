"""Netdevs by rtnetlink: their alternative names, indexes and events, and setting them up.

sysfs does not show alternative names ("altnames", kernel 5.5 and newer). The kernel is asked for
each netdev separately, because a dump would list the thousands of netdevs of a node's pods. The
messages are packed and parsed here, because pyroute2 would take longer for hundreds of VFs than the
rest of the scan. Constants are from the kernel's include/uapi/linux/{rtnetlink,if_link}.h.
"""

import errno
import os
import socket
import struct
from collections.abc import Iterable, Iterator, Mapping

from rdma_dp.errors import RdmaDpError
from rdma_dp.host.descriptors import check_descriptors, raise_if_exhausted

_NLM_F_REQUEST = 1
_RTM_NEWLINK = 16
_RTM_DELLINK = 17
_RTM_GETLINK = 18
_IFLA_IFNAME = 3
_IFLA_LINKINFO = 18
_IFLA_INFO_KIND = 1  # in IFLA_LINKINFO
_IFLA_EXT_MASK = 29
_IFLA_PROP_LIST = 52
_IFLA_ALT_IFNAME = 53
_RTEXT_FILTER_SKIP_STATS = 1 << 3  # omits the statistics, half of the answer

_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence number, port
_LINK = struct.Struct("=BxHiII")  # ifinfomsg: family, type, index, flags, change
_ATTRIBUTE = struct.Struct("=HH")  # nlattr: length, type
_TYPE_MASK = 0x3FFF  # NLA_TYPE_MASK: without the flags "nested" and "network byte order"

_LARGEST_ANSWER = 65536  # bytes
_DEADLINE = 1.0  # seconds; the kernel answers before `send` returns

# What pyroute2 opens for one IPRoute: its event loop's epoll and pair of sockets, and the socket.
_PYROUTE2_DESCRIPTORS = 4


def query_altnames(netdevs: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    """The altnames of those netdevs that have any. Needs no capability.

    Empty when the kernel does not answer. Raises ExhaustedError.
    """
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as link:
            link.settimeout(_DEADLINE)
            answers = {netdev: _ask(link, netdev) for netdev in netdevs}
    except OSError as error:
        raise_if_exhausted(error, "ask rtnetlink for altnames")
        return {}
    found = {netdev: tuple(altnames(answer)) for netdev, answer in answers.items()}
    return {netdev: names for netdev, names in found.items() if names}


def _ask(link: socket.socket, netdev: str) -> bytes:
    link.send(request(netdev))
    return link.recv(_LARGEST_ANSWER)


def request(netdev: str) -> bytes:
    """The message that asks for one netdev by its name."""
    body = (
        _LINK.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
        + _packed(_IFLA_EXT_MASK, struct.pack("=I", _RTEXT_FILTER_SKIP_STATS))
        + _packed(_IFLA_IFNAME, netdev.encode("utf-8", "surrogateescape") + b"\0")
    )
    return _HEADER.pack(_HEADER.size + len(body), _RTM_GETLINK, _NLM_F_REQUEST, 0, 0) + body


def altnames(answer: bytes) -> Iterator[str]:
    """The altnames in an answer; none in an error, which means that the netdev is gone."""
    if len(answer) < _HEADER.size or _HEADER.unpack_from(answer)[1] != _RTM_NEWLINK:
        return
    for kind, properties in _attributes(answer[_HEADER.size + _LINK.size :]):
        if kind == _IFLA_PROP_LIST:
            for inner, name in _attributes(properties):
                if inner == _IFLA_ALT_IFNAME:
                    yield _text(name)


def links_in(datagram: bytes) -> Iterator[tuple[str, str | None]]:
    """The name and the kind of the netdev of each link event. The kind of a device's is None.

    A bridge reports its ports in messages of its own, without a kind (kernel net/bridge/
    br_netlink.c, br_ifinfo_notify). They are left out: only the bridge itself has changed.
    """
    while len(datagram) >= _HEADER.size:
        length, event, _, _, _ = _HEADER.unpack_from(datagram)
        if not _HEADER.size <= length <= len(datagram):
            return
        message, datagram = datagram[_HEADER.size : length], datagram[length + -length % 4 :]
        is_link = event in (_RTM_NEWLINK, _RTM_DELLINK) and len(message) >= _LINK.size
        if is_link and message[0] != socket.AF_BRIDGE:
            found = dict(_attributes(message[_LINK.size :]))
            kind = dict(_attributes(found.get(_IFLA_LINKINFO, b""))).get(_IFLA_INFO_KIND)
            name = os.fsdecode(found.get(_IFLA_IFNAME, b"").rstrip(b"\0"))
            yield name, None if kind is None else _text(kind)


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode("utf-8", "replace")


def _packed(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + bytes(-len(value) % 4)


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The (type, value) pairs up to the first one that is cut off."""
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        if not _ATTRIBUTE.size <= length <= len(data):
            return
        yield kind & _TYPE_MASK, data[_ATTRIBUTE.size : length]
        data = data[length + -length % 4 :]


class LinkError(RdmaDpError):
    """A netdev that could not be set up."""


def set_up(netdev: str) -> None:
    """`ip link set NETDEV up`. Raises LinkError, or ExhaustedError."""
    action = f"set {netdev} up"
    check_descriptors(_PYROUTE2_DESCRIPTORS, action)
    try:
        # Imported here: pyroute2 costs 100 ms, and few nodes have a link to set up.
        from pyroute2 import IPRoute, NetlinkError  # noqa: PLC0415
    except (OSError, ImportError) as error:
        raise_if_exhausted(error, action)
        raise
    try:
        with IPRoute() as route:
            route.link("set", index=socket.if_nametoindex(netdev), state="up")
    except (OSError, NetlinkError) as error:
        code = getattr(error, "code", None) or getattr(error, "errno", None)
        if isinstance(code, int):
            raise_if_exhausted(OSError(code, os.strerror(code)), action)
        if code == errno.EPERM:
            raise LinkError(
                "not permitted",
                f"run `ip link set {netdev} up`, or give the container the capability NET_ADMIN",
            ) from error
        if code in (None, errno.ENODEV):  # None: if_nametoindex before Python 3.14
            raise LinkError("no interface with this name") from error
        raise LinkError(str(error)) from error


def index_of(netdev: str) -> int | None:
    """The index of a netdev; None when it is gone. Raises ExhaustedError."""
    try:
        return socket.if_nametoindex(netdev)
    except OSError:  # without an errno: glibc's if_nametoindex opens a socket, and that may fail
        check_descriptors(1, f"read the index of {netdev}")
        return None
