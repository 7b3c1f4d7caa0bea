"""What netlink reports about a host, as values. rdma_queries.py and links.py ask the kernel."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

NETLINK_RDMA = 20  # the protocol's number, kernel include/uapi/linux/netlink.h


@dataclass(frozen=True, slots=True)
class NldevDevice:
    """An HCA as netlink describes it. `netdevs` maps port numbers to netdev names."""

    name: str
    protocol: str | None = None
    smi_parent: str | None = None  # the HCA that an SMI companion serves
    smi: bool = False
    netdevs: Mapping[int, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class QueuePairs:
    """The queue pairs (QPs) of one HCA, from the kernel's RDMA resource tracking.

    `owners` maps a process id to its number of QPs. An id can be that of a thread. `nameless` is
    the number of QPs whose process the kernel does not name, because it is outside of our PID
    namespace or has ended. QPs of the kernel itself are not counted.
    """

    owners: Mapping[int, int] = field(default_factory=dict)
    nameless: int = 0


@dataclass(frozen=True, slots=True)
class NetlinkView:
    """All that netlink reports about a host. `altnames` maps a netdev to its alternative names."""

    netns_mode: str | None = None
    devices: Mapping[str, NldevDevice] = field(default_factory=lambda: MappingProxyType({}))
    altnames: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
