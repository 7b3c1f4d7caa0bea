"""RDMA netlink (NLDEV): what sysfs does not say about HCAs.

Which netdev a port has, the network-namespace mode, the protocol, and whether an HCA is an SMI
companion. A kernel without it, or an old one that leaves attributes out, costs nothing but those
facts. Message types and attributes are those of the kernel's include/uapi/rdma/rdma_netlink.h.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from pyroute2.netlink import NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, nla, nlmsg
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.marshal import Marshal
from pyroute2.netlink.nlsocket import NetlinkSocket

from rdma_dp.host.netlink.values import NetlinkView, NldevDevice, QueuePairs

NETLINK_RDMA = 20
_CLIENT_NLDEV = 5 << 10  # RDMA_NL_GET_TYPE: the client in the upper bits, the command below
_GET = _CLIENT_NLDEV | 1
_PORT_GET = _CLIENT_NLDEV | 5
_SYS_GET = _CLIENT_NLDEV | 6

_NETNS_MODES = {0: "exclusive", 1: "shared"}  # RDMA_NLDEV_SYS_ATTR_NETNS_MODE
_DEVICE_TYPE_SMI = 1  # RDMA_DEVICE_TYPE_SMI


class NldevMessage(nlmsg):  # type: ignore[misc]  # pyroute2 has no types
    """An NLDEV message: attributes right behind the header."""

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


class _NldevMarshal(Marshal):  # type: ignore[misc]  # pyroute2 has no types
    msg_map: ClassVar = dict.fromkeys((_GET, _PORT_GET, _SYS_GET), NldevMessage)


class _NldevSocket(NetlinkSocket):  # type: ignore[misc]  # likewise
    def __init__(self) -> None:
        super().__init__(NETLINK_RDMA)
        self.set_marshal(_NldevMarshal())


def query() -> NetlinkView | None:
    """Asks the kernel; None when it has no RDMA netlink. Needs no capability."""
    try:
        with _NldevSocket() as socket:
            socket.bind()
            return _view(socket)
    except (OSError, NetlinkError):
        return None


def _view(socket: Any) -> NetlinkView:
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
    """The messages that answer one command; none when this kernel or this device refuses it."""
    request = NldevMessage()
    if index is not None:
        request["attrs"] = [("DEV_INDEX", index)]
    flags = NLM_F_REQUEST | (NLM_F_DUMP if dump else NLM_F_ACK)
    try:
        return tuple(socket.nlm_request(request, command, flags))
    except NetlinkError:
        return ()


_RES_GET = _CLIENT_NLDEV | 9


_RES_QP_GET = _CLIENT_NLDEV | 10


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


class _ResourceMarshal(Marshal):  # type: ignore[misc]  # likewise
    msg_map: ClassVar = dict.fromkeys((_GET, _RES_GET, _RES_QP_GET), ResourceMessage)


class _ResourceSocket(NetlinkSocket):  # type: ignore[misc]  # likewise
    def __init__(self) -> None:
        super().__init__(NETLINK_RDMA)
        self.set_marshal(_ResourceMarshal())


def query_queue_pairs() -> Mapping[str, QueuePairs] | None:
    """By the names of the HCAs; None when this kernel does not tell.

    An HCA that is not in it does not tell either. Needs no capability, but a kernel shows a process
    only to those who see it in their own PID namespace.
    """
    try:
        with _ResourceSocket() as socket:
            socket.bind()
            return _queue_pairs_found(socket)
    except (OSError, NetlinkError):
        return None


def _queue_pairs_found(socket: Any) -> Mapping[str, QueuePairs]:
    found = {}
    for device in tuple(socket.nlm_request(ResourceMessage(), _GET, NLM_F_REQUEST | NLM_F_DUMP)):
        index, name = device.get_attr("DEV_INDEX"), device.get_attr("DEV_NAME")
        if not isinstance(index, int) or not isinstance(name, str):
            continue
        if (pairs := _queue_pairs_of(socket, index)) is not None:
            found[name] = pairs
    return found


def _queue_pairs_of(socket: Any, index: int) -> QueuePairs | None:
    try:
        # First the sum: those that are made between the two are no riddle.
        summary = _ask_resources(socket, _RES_GET, index, NLM_F_ACK)
        dump = _ask_resources(socket, _RES_QP_GET, index, NLM_F_DUMP)
    except NetlinkError:
        return None
    return counted_queue_pairs(summary, dump)


def _ask_resources(socket: Any, command: int, index: int, flag: int) -> Iterable[Any]:
    request = ResourceMessage()
    request["attrs"] = [("DEV_INDEX", index)]
    return tuple(socket.nlm_request(request, command, NLM_F_REQUEST | flag))


def counted_queue_pairs(summary: Iterable[Any], dump: Iterable[Any]) -> QueuePairs:
    """Who owns what, of the messages that tell the sum and each QP.

    Kernels before 5.9 leave QPs of inner PID namespaces out of the dump, but not out of the sum.
    """
    entries = [
        entry
        for message in dump
        for table in message.get_attrs("RES_QP")
        for entry in table.get_attrs("ENTRY")
    ]
    users = [entry for entry in entries if entry.get_attr("KERN_NAME") is None]
    owners = Counter(_number(entry.get_attr("PID")) for entry in users)
    nameless = owners.pop(0, 0)
    left_out = max(0, _sum(summary) - len(entries))
    return QueuePairs(dict(owners), nameless + left_out)


def _sum(summary: Iterable[Any]) -> int:
    return sum(
        _number(entry.get_attr("CURR"))
        for message in summary
        for table in message.get_attrs("RES_SUMMARY")
        for entry in table.get_attrs("ENTRY")
        if entry.get_attr("NAME") == "qp"
    )


def _number(value: object) -> int:
    """pyroute2 leaves bytes of another length than it expects as they are."""
    return value if isinstance(value, int) else 0
