"""The questions to RDMA netlink (NLDEV), and the parsing of its answers.

Use rdma_queries.py instead, which finds out whether the kernel has RDMA netlink. An old kernel
omits attributes; then only those facts are missing. Message types and attributes are from the
kernel's include/uapi/rdma/rdma_netlink.h.
"""

import struct
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType

from rdma_dp.host.files import EXHAUSTED
from rdma_dp.host.netlink.exchange import Ask, Attributes, packed
from rdma_dp.host.netlink.values import NetlinkView, NldevDevice, QueuePairs

_CLIENT_NLDEV = 5 << 10  # RDMA_NL_GET_TYPE: the client in the upper bits, the command below
_GET = _CLIENT_NLDEV | 1
_PORT_GET = _CLIENT_NLDEV | 5
_SYS_GET = _CLIENT_NLDEV | 6
_RES_GET = _CLIENT_NLDEV | 9
_RES_QP_GET = _CLIENT_NLDEV | 10
_STAT_GET = _CLIENT_NLDEV | 17

# RDMA_NLDEV_ATTR_*
_DEV_INDEX = 1
_DEV_NAME = 2
_PORT_INDEX = 3
_RES_SUMMARY, _RES_SUMMARY_ENTRY, _RES_SUMMARY_NAME, _RES_SUMMARY_CURR = 15, 16, 17, 18
_RES_QP, _RES_QP_ENTRY, _RES_PID, _RES_KERN_NAME = 19, 20, 28, 29
_NDEV_NAME = 51
_SYS_NETNS_MODE = 66
_DEV_PROTOCOL = 67
_HWCOUNTERS, _HWCOUNTER_ENTRY, _HWCOUNTER_NAME, _HWCOUNTER_VALUE = 80, 81, 82, 83
_DEV_TYPE = 99
_PARENT_NAME = 100

_U8, _U32, _U64 = 1, 4, 8  # sizes in bytes

Counters = Mapping[str, int | None]
"""Counters of a port by their names. None for a value that is no number."""

_NETNS_MODES = {0: "exclusive", 1: "shared"}  # RDMA_NLDEV_SYS_ATTR_NETNS_MODE
_DEVICE_TYPE_SMI = 1  # RDMA_DEVICE_TYPE_SMI


def view(ask: Ask) -> NetlinkView:
    """The HCAs, their ports, and the netns mode. Raises OSError without memory or descriptors."""
    modes = [found.number(_SYS_NETNS_MODE, _U8) for found in _accepted(ask, _SYS_GET)]
    devices = [_device(ask, found) for found in _accepted(ask, _GET, dump=True)]
    return NetlinkView(
        netns_mode=next((_NETNS_MODES[mode] for mode in modes if mode in _NETNS_MODES), None),
        devices=MappingProxyType({d.name: d for d in devices if d is not None}),
    )


def _device(ask: Ask, found: Attributes) -> NldevDevice | None:
    index, name = found.number(_DEV_INDEX, _U32), found.text(_DEV_NAME)
    if index is None or name is None:
        return None
    ports = _accepted(ask, _PORT_GET, _index(_DEV_INDEX, index), dump=True)
    netdevs = {port.number(_PORT_INDEX, _U32): port.text(_NDEV_NAME) for port in ports}
    return NldevDevice(
        name=name,
        protocol=found.text(_DEV_PROTOCOL),
        smi=found.number(_DEV_TYPE, _U8) == _DEVICE_TYPE_SMI,
        smi_parent=found.text(_PARENT_NAME),
        netdevs=MappingProxyType({port: name for port, name in netdevs.items() if port and name}),
    )


def _index(kind: int, value: int) -> bytes:
    return packed(kind, struct.pack("=I", value))


def _asked(ask: Ask, command: int, body: bytes = b"", *, dump: bool = False) -> list[Attributes]:
    """The messages that answer one command. They have attributes directly behind the header."""
    return [Attributes(answer) for answer in ask(command, body, dump)]


def _accepted(ask: Ask, command: int, body: bytes = b"", *, dump: bool = False) -> list[Attributes]:
    """The same; none when this kernel or this device refuses the command.

    Raises OSError when the kernel has run out of memory.
    """
    try:
        return _asked(ask, command, body, dump=dump)
    except OSError as error:
        if error.errno in EXHAUSTED:
            raise
        return []


def _devices(ask: Ask) -> dict[str, int]:
    """The indexes of the HCAs by their names."""
    found = {
        each.text(_DEV_NAME): each.number(_DEV_INDEX, _U32) for each in _asked(ask, _GET, dump=True)
    }
    return {name: index for name, index in found.items() if name and index is not None}


def queue_pairs(ask: Ask) -> Mapping[str, QueuePairs]:
    """The owners of queue pairs by HCA name. Raises OSError."""
    found = {name: _queue_pairs_of(ask, index) for name, index in _devices(ask).items()}
    return {name: pairs for name, pairs in found.items() if pairs is not None}


def _queue_pairs_of(ask: Ask, index: int) -> QueuePairs | None:
    body = _index(_DEV_INDEX, index)
    try:
        # The sum comes first: a QP that is created between the two answers must not count as one
        # that the kernel left out of its list.
        summary = _asked(ask, _RES_GET, body)
        dump = _asked(ask, _RES_QP_GET, body, dump=True)
    except OSError as error:
        if error.errno in EXHAUSTED:
            raise
        return None
    return _counted(summary, dump)


def _counted(summary: Iterable[Attributes], dump: Iterable[Attributes]) -> QueuePairs:
    """The owners of the QPs of one HCA, from the answers with the sum and with each QP.

    Kernels before 5.9 omit QPs of inner PID namespaces from the list, but count them in the sum.
    """
    entries = list(_entries(dump, _RES_QP, _RES_QP_ENTRY))
    users = [entry for entry in entries if entry.text(_RES_KERN_NAME) is None]
    owners = Counter(entry.number(_RES_PID, _U32) or 0 for entry in users)
    nameless = owners.pop(0, 0)
    left_out = max(0, _sum(summary) - len(entries))
    return QueuePairs(dict(owners), nameless + left_out)


def objects(ask: Ask) -> Mapping[str, Mapping[str, int]]:
    """The numbers of objects by their type, by HCA name. Raises OSError."""
    return {name: _objects_of(ask, index) for name, index in _devices(ask).items()}


def _objects_of(ask: Ask, index: int) -> Mapping[str, int]:
    summary = _accepted(ask, _RES_GET, _index(_DEV_INDEX, index))
    entries = _entries(summary, _RES_SUMMARY, _RES_SUMMARY_ENTRY)
    named = ((e.text(_RES_SUMMARY_NAME), e.number(_RES_SUMMARY_CURR, _U64)) for e in entries)
    return {kind: number or 0 for kind, number in named if kind is not None}


def _sum(summary: Iterable[Attributes]) -> int:
    return sum(
        entry.number(_RES_SUMMARY_CURR, _U64) or 0
        for entry in _entries(summary, _RES_SUMMARY, _RES_SUMMARY_ENTRY)
        if entry.text(_RES_SUMMARY_NAME) == "qp"
    )


def _entries(answers: Iterable[Attributes], table: int, entry: int) -> Iterator[Attributes]:
    """The entries of the nested tables in answers."""
    return (
        found for answer in answers for each in answer.tables(table) for found in each.tables(entry)
    )


def counters(ask: Ask, refused: set[tuple[int, int]]) -> Callable[[str, int], Counters | None]:
    """A function that asks for the counters of a port; see HwCounters. Raises OSError.

    `refused` collects ports by the index of the HCA.
    """
    indexes = _devices(ask)

    def counters_of(hca: str, port: int) -> Counters | None:
        index = indexes.get(hca)
        if index is None or (index, port) in refused:
            return None
        body = _index(_DEV_INDEX, index) + _index(_PORT_INDEX, port)
        try:
            return counters_in(ask(_STAT_GET, body, False))
        except OSError as error:
            if error.errno not in EXHAUSTED:
                refused.add((index, port))
            return None

    return counters_of


def counters_in(answers: Iterable[bytes]) -> Counters:
    """The counters in the bodies of answers by their names."""
    found = _entries(map(Attributes, answers), _HWCOUNTERS, _HWCOUNTER_ENTRY)
    named = ((entry.text(_HWCOUNTER_NAME), entry.number(_HWCOUNTER_VALUE, _U64)) for entry in found)
    return {name: value for name, value in named if name is not None}
