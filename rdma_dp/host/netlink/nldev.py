"""The questions to RDMA netlink (NLDEV) and the parsing of its answers, with pyroute2.

Use rdma_queries.py instead: it imports this module when it is needed. An old kernel omits
attributes; then only those facts are missing. Message types and attributes are from the kernel's
include/uapi/rdma/rdma_netlink.h.
"""

import errno
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

from pyroute2.netlink import NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, nla, nla_base, nlmsg
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.marshal import Marshal
from pyroute2.netlink.nlsocket import NetlinkSocket

from rdma_dp.host.files import EXHAUSTED
from rdma_dp.host.netlink.values import NETLINK_RDMA, NetlinkView, NldevDevice, QueuePairs

R = TypeVar("R")
_CLIENT_NLDEV = 5 << 10  # RDMA_NL_GET_TYPE: the client in the upper bits, the command below
_GET = _CLIENT_NLDEV | 1
_PORT_GET = _CLIENT_NLDEV | 5
_SYS_GET = _CLIENT_NLDEV | 6
_RES_GET = _CLIENT_NLDEV | 9
_RES_QP_GET = _CLIENT_NLDEV | 10
_STAT_GET = _CLIENT_NLDEV | 17

_NETNS_MODES = {0: "exclusive", 1: "shared"}  # RDMA_NLDEV_SYS_ATTR_NETNS_MODE
_DEVICE_TYPE_SMI = 1  # RDMA_DEVICE_TYPE_SMI


class NldevMessage(nlmsg):  # type: ignore[misc]  # pyroute2 has no types
    """An NLDEV message: attributes directly after the header."""

    fields = ()
    nla_map = (
        (1, "DEV_INDEX", "uint32"),
        (2, "DEV_NAME", "asciiz"),
        (3, "PORT_INDEX", "uint32"),
        (51, "NDEV_NAME", "asciiz"),
        (66, "SYS_NETNS_MODE", "uint8"),
        (67, "DEV_PROTOCOL", "asciiz"),
        (99, "DEV_TYPE", "uint8"),
        (100, "PARENT_NAME", "asciiz"),
    )


class NldevMarshal(Marshal):  # type: ignore[misc]  # pyroute2 has no types
    """Parses the answers about HCAs and ports."""

    msg_map: ClassVar = dict.fromkeys((_GET, _PORT_GET, _SYS_GET), NldevMessage)


class ResourceMessage(nlmsg):  # type: ignore[misc]  # pyroute2 has no types
    """An NLDEV message with the resources of a device."""

    fields = ()
    nla_map = (
        (1, "DEV_INDEX", "uint32"),
        (2, "DEV_NAME", "asciiz"),
        (15, "RES_SUMMARY", "summary"),
        (19, "RES_QP", "queue_pairs"),
    )

    class summary(nla):  # type: ignore[misc]  # noqa: N801, D106 (pyroute2 finds it by its name)
        nla_map = ((16, "ENTRY", "entry"),)

        class entry(nla):  # type: ignore[misc]  # noqa: N801, D106
            nla_map = ((17, "NAME", "asciiz"), (18, "CURR", "uint64"))

    class queue_pairs(nla):  # type: ignore[misc]  # noqa: N801, D106
        nla_map = ((20, "ENTRY", "entry"),)

        class entry(nla):  # type: ignore[misc]  # noqa: N801, D106
            nla_map = ((21, "LQPN", "uint32"), (28, "PID", "uint32"), (29, "KERN_NAME", "asciiz"))


class ResourceMarshal(Marshal):  # type: ignore[misc]  # pyroute2 has no types
    """Parses the answers about the resources of HCAs."""

    msg_map: ClassVar = dict.fromkeys((_GET, _RES_GET, _RES_QP_GET), ResourceMessage)


class StatMessage(nlmsg):  # type: ignore[misc]  # pyroute2 has no types
    """An NLDEV message with the counters of a port (hw_counters)."""

    fields = ()
    nla_map = (
        (1, "DEV_INDEX", "uint32"),
        (2, "DEV_NAME", "asciiz"),
        (3, "PORT_INDEX", "uint32"),
        (80, "STAT_HWCOUNTERS", "counters"),
    )

    class counters(nla):  # type: ignore[misc]  # noqa: N801, D106 (pyroute2 finds it by its name)
        nla_map = ((81, "ENTRY", "entry"),)

        class entry(nla):  # type: ignore[misc]  # noqa: N801, D106
            nla_map = ((82, "NAME", "asciiz"), (83, "VALUE", "uint64"))


class StatMarshal(Marshal):  # type: ignore[misc]  # pyroute2 has no types
    """Parses the answers about the counters of ports."""

    msg_map: ClassVar = dict.fromkeys((_GET, _STAT_GET), StatMessage)


def ask_view() -> NetlinkView:
    """The HCAs, their ports, and the netns mode. Raises OSError, also for a netlink error."""
    with _opened(NldevMarshal()) as link:
        return view(link)


def ask_resources(question: Callable[[Any], R]) -> R:
    """The answer to `queue_pairs` or `objects`. Raises OSError, also for a netlink error."""
    with _opened(ResourceMarshal()) as link:
        return question(link)


@contextmanager
def _opened(marshal: Marshal) -> Iterator[Any]:
    try:
        with NetlinkSocket(NETLINK_RDMA) as link:
            link.set_marshal(marshal)
            _bind(link)
            yield link
    except NetlinkError as error:
        raise OSError(error.code, os.strerror(error.code)) from error


def _bind(link: NetlinkSocket) -> None:
    try:
        link.bind()
    except KeyError as error:  # pyroute2 hides why each of its 180 attempts to bind failed
        raise OSError(errno.ENOMEM, "no netlink port can be bound") from error


def view(socket: Any) -> NetlinkView:
    """Ask one open socket about the HCAs, their ports, and the netns mode."""
    modes = [message.get_attr("SYS_NETNS_MODE") for message in _ask(socket, _SYS_GET)]
    devices = [_device(socket, message) for message in _ask(socket, _GET, dump=True)]
    return NetlinkView(
        netns_mode=next((_NETNS_MODES[mode] for mode in modes if mode in _NETNS_MODES), None),
        devices=MappingProxyType({device.name: device for device in devices}),
    )


def _device(socket: Any, message: Any) -> NldevDevice:
    ports = _ask(socket, _PORT_GET, index=message.get_attr("DEV_INDEX"), dump=True)
    netdevs = {port.get_attr("PORT_INDEX"): port.get_attr("NDEV_NAME") for port in ports}
    return NldevDevice(
        name=message.get_attr("DEV_NAME"),
        protocol=message.get_attr("DEV_PROTOCOL"),
        smi=message.get_attr("DEV_TYPE") == _DEVICE_TYPE_SMI,
        smi_parent=message.get_attr("PARENT_NAME"),
        netdevs=MappingProxyType({port: name for port, name in netdevs.items() if name}),
    )


def _ask(
    socket: Any, command: int, *, index: int | None = None, dump: bool = False
) -> Iterable[Any]:
    """The messages that answer one command; none when this kernel or this device refuses it.

    Raises NetlinkError when the kernel has run out of memory.
    """
    request = NldevMessage()
    if index is not None:
        request["attrs"] = [("DEV_INDEX", index)]
    flags = NLM_F_REQUEST | (NLM_F_DUMP if dump else NLM_F_ACK)
    try:
        return tuple(socket.nlm_request(request, command, flags))
    except NetlinkError as error:
        if error.code in EXHAUSTED:
            raise
        return ()


def queue_pairs(socket: Any) -> Mapping[str, QueuePairs]:
    """Ask one open socket for the owners of queue pairs, by HCA name."""
    found = ((name, _queue_pairs_of(socket, index)) for name, index in _indexes(socket))
    return {name: pairs for name, pairs in found if pairs is not None}


def objects(socket: Any) -> Mapping[str, Mapping[str, int]]:
    """Ask one open socket for the numbers of objects by their type, by HCA name."""
    return {
        name: {
            kind: _number(entry.get_attr("CURR"))
            for entry in _entries(
                _resources(socket, _RES_GET, index, NLM_F_ACK) or (), "RES_SUMMARY"
            )
            if isinstance(kind := entry.get_attr("NAME"), str)
        }
        for name, index in _indexes(socket)
    }


def _indexes(socket: Any) -> Iterator[tuple[str, int]]:
    for device in tuple(socket.nlm_request(ResourceMessage(), _GET, NLM_F_REQUEST | NLM_F_DUMP)):
        index, name = device.get_attr("DEV_INDEX"), device.get_attr("DEV_NAME")
        if isinstance(index, int) and isinstance(name, str):
            yield name, index


def _queue_pairs_of(socket: Any, index: int) -> QueuePairs | None:
    # The sum comes first: a QP that is created between the answers must not count as left out.
    summary = _resources(socket, _RES_GET, index, NLM_F_ACK)
    dump = None if summary is None else _resources(socket, _RES_QP_GET, index, NLM_F_DUMP)
    return None if summary is None or dump is None else counted_queue_pairs(summary, dump)


def _resources(socket: Any, command: int, index: int, flag: int) -> Iterable[Any] | None:
    """The answer of a device; None if it refuses. Raises NetlinkError if memory is exhausted."""
    request = ResourceMessage()
    request["attrs"] = [("DEV_INDEX", index)]
    try:
        return tuple(socket.nlm_request(request, command, NLM_F_REQUEST | flag))
    except NetlinkError as error:
        if error.code in EXHAUSTED:
            raise
        return None


def counted_queue_pairs(summary: Iterable[Any], dump: Iterable[Any]) -> QueuePairs:
    """The owners of the QPs of one HCA, from the answers with the sum and with each QP.

    Kernels before 5.9 omit QPs of inner PID namespaces from the list, but count them in the sum.
    """
    entries = list(_entries(dump, "RES_QP"))
    users = [entry for entry in entries if entry.get_attr("KERN_NAME") is None]
    owners = Counter(_number(entry.get_attr("PID")) for entry in users)
    nameless = owners.pop(0, 0)
    left_out = max(0, _sum(summary) - len(entries))
    return QueuePairs(dict(owners), nameless + left_out)


def _sum(summary: Iterable[Any]) -> int:
    return sum(
        _number(entry.get_attr("CURR"))
        for entry in _entries(summary, "RES_SUMMARY")
        if entry.get_attr("NAME") == "qp"
    )


def _entries(messages: Iterable[Any], name: str) -> Iterator[Any]:
    """The entries of a nested table. pyroute2 returns bytes for what it cannot parse."""
    tables = (table for message in messages for table in message.get_attrs(name))
    entries = (each for t in tables if isinstance(t, nla_base) for each in t.get_attrs("ENTRY"))
    return (entry for entry in entries if isinstance(entry, nla_base))


def _number(value: object) -> int:
    """The number; 0 for bytes, which pyroute2 returns when their length is unexpected."""
    return value if isinstance(value, int) else 0


@contextmanager
def asking_counters(refused: set[tuple[int, int]]) -> Iterator[Callable[[str, int], Any]]:
    """A function that asks for the counters of a port; see HwCounters. Raises OSError."""
    with _opened(StatMarshal()) as link:
        yield counters_of(link, refused)


def counters_of(socket: Any, refused: set[tuple[int, int]]) -> Callable[[str, int], Any]:
    """The same with one open socket. `refused` collects ports by the index of the HCA."""
    devices = socket.nlm_request(StatMessage(), _GET, NLM_F_REQUEST | NLM_F_DUMP)
    indexes = {each.get_attr("DEV_NAME"): each.get_attr("DEV_INDEX") for each in devices}

    def ask(hca: str, port: int) -> Mapping[str, int | None] | None:
        index = indexes.get(hca)
        if not isinstance(index, int) or (index, port) in refused:
            return None
        request = StatMessage()
        request["attrs"] = [("DEV_INDEX", index), ("PORT_INDEX", port)]
        try:
            answer = tuple(socket.nlm_request(request, _STAT_GET, NLM_F_REQUEST | NLM_F_ACK))
        except NetlinkError as error:
            if error.code not in EXHAUSTED:
                refused.add((index, port))
            return None
        return counters_in(answer)

    return ask


def counters_in(answer: Iterable[Any]) -> Mapping[str, int | None]:
    """The counters in an answer by their names. None for a value that is no number."""
    entries = _entries(answer, "STAT_HWCOUNTERS")
    named = [(entry.get_attr("NAME"), entry.get_attr("VALUE")) for entry in entries]
    return {
        name: value if isinstance(value, int) else None
        for name, value in named
        if isinstance(name, str)
    }
