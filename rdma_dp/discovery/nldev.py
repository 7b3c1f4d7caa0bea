"""RDMA netlink (NLDEV): what sysfs does not say about HCAs.

Which netdev a port has, the network-namespace mode, the protocol, and whether an HCA is an SMI
companion. A kernel without it, or an old one that leaves attributes out, costs nothing but those
facts. Message types and attributes are those of the kernel's include/uapi/rdma/rdma_netlink.h.
"""

from collections.abc import Iterable
from types import MappingProxyType
from typing import Any, ClassVar

from pyroute2.netlink import NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, nlmsg
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.marshal import Marshal
from pyroute2.netlink.nlsocket import NetlinkSocket

from rdma_dp.discovery.netlink_view import NetlinkView, NldevDevice

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
