"""Netdevs by rtnetlink: their alternative names, indexes and events, and setting them up.

sysfs does not show alternative names ("altnames", kernel 5.5 and newer). The kernel is asked for
each netdev separately, because a dump would list the thousands of netdevs of a node's pods.
Constants are from the kernel's include/uapi/linux/{rtnetlink,if_link}.h.
"""

import errno
import os
import socket
import struct
from collections.abc import Iterable, Iterator, Mapping

from rdma_dp.errors import RdmaDpError
from rdma_dp.host.descriptors import check_descriptors, raise_if_exhausted
from rdma_dp.host.files import EXHAUSTED
from rdma_dp.host.netlink.exchange import Ask, Attributes, asking, messages, packed

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
_IFF_UP = 1  # kernel include/uapi/linux/if.h

_LINK = struct.Struct("=BxHiII")  # ifinfomsg: family, type, index, flags, change


def query_altnames(netdevs: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    """The altnames of those netdevs that have any. Needs no capability.

    Empty when the kernel does not answer. Raises ExhaustedError.
    """
    try:
        with asking(socket.NETLINK_ROUTE) as ask:
            found = {netdev: _altnames_of(ask, netdev) for netdev in netdevs}
    except OSError as error:
        raise_if_exhausted(error, "ask rtnetlink for altnames")
        return {}
    return {netdev: names for netdev, names in found.items() if names}


def _altnames_of(ask: Ask, netdev: str) -> tuple[str, ...]:
    """Those of one netdev; none when the kernel refuses, which means that the netdev is gone."""
    try:
        answers = ask(_RTM_GETLINK, request(netdev), False)
    except OSError as error:
        if error.errno is None or error.errno in EXHAUSTED:  # None: no answer in time
            raise
        return ()
    return tuple(name for answer in answers for name in altnames(answer))


def request(netdev: str) -> bytes:
    """The body of the message that asks for one netdev by its name."""
    return (
        _LINK.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
        + packed(_IFLA_EXT_MASK, struct.pack("=I", _RTEXT_FILTER_SKIP_STATS))
        + packed(_IFLA_IFNAME, netdev.encode("utf-8", "surrogateescape") + b"\0")
    )


def altnames(answer: bytes) -> Iterator[str]:
    """The altnames in the body of an answer."""
    for properties in Attributes(answer[_LINK.size :]).tables(_IFLA_PROP_LIST):
        yield from properties.texts(_IFLA_ALT_IFNAME)


def links_in(datagram: bytes) -> Iterator[tuple[str, str | None]]:
    """The name and the kind of the netdev of each link event. The kind of a device's is None.

    A bridge reports its ports in messages of its own, without a kind (kernel net/bridge/
    br_netlink.c, br_ifinfo_notify). They are left out: only the bridge itself has changed.
    """
    for event, _, body in messages(datagram):
        is_link = event in (_RTM_NEWLINK, _RTM_DELLINK) and len(body) >= _LINK.size
        if is_link and body[0] != socket.AF_BRIDGE:
            found = Attributes(body[_LINK.size :])
            info = next(found.tables(_IFLA_LINKINFO), None)
            name = os.fsdecode((found.value(_IFLA_IFNAME) or b"").rstrip(b"\0"))
            yield name, None if info is None else info.text(_IFLA_INFO_KIND)


class LinkError(RdmaDpError):
    """A netdev that could not be set up."""


def set_up(netdev: str) -> None:
    """`ip link set NETDEV up`. Raises LinkError, or ExhaustedError."""
    action = f"set {netdev} up"
    try:
        with asking(socket.NETLINK_ROUTE) as ask:
            index = socket.if_nametoindex(netdev)
            ask(_RTM_NEWLINK, _LINK.pack(socket.AF_UNSPEC, 0, index, _IFF_UP, _IFF_UP), False)
    except OSError as error:
        raise_if_exhausted(error, action)
        if error.errno == errno.EPERM:
            raise LinkError(
                "not permitted",
                f"run `ip link set {netdev} up`, or give the container the capability NET_ADMIN",
            ) from error
        raise LinkError(error.strerror or str(error)) from error


def index_of(netdev: str) -> int | None:
    """The index of a netdev; None when it is gone. Raises ExhaustedError."""
    try:
        return socket.if_nametoindex(netdev)
    except OSError:  # without an errno: glibc's if_nametoindex opens a socket, and that may fail
        check_descriptors(1, f"read the index of {netdev}")
        return None
