"""What netlink says of a host, as values. `nldev` and `altnames` ask for them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class NldevDevice:
    """An HCA as netlink describes it. `netdevs` maps port numbers to names."""

    name: str
    protocol: str | None = None
    smi_parent: str | None = None  # the HCA that an SMI companion serves
    smi: bool = False
    netdevs: Mapping[int, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class QueuePairs:
    """The queue pairs (QPs) of one HCA, by the RDMA resource tracking.

    `owners` maps process ids to how many each has; an id may be that of a thread. `nameless` is how
    many belong to somebody whom the kernel does not name to us: one outside of our PID namespace,
    or one that has ended. The kernel's own are left out.
    """

    owners: Mapping[int, int] = field(default_factory=dict)
    nameless: int = 0


@dataclass(frozen=True, slots=True)
class NetlinkView:
    """Everything that netlink said. `altnames` maps netdevs to the further names that they have."""

    netns_mode: str | None = None
    devices: Mapping[str, NldevDevice] = field(default_factory=lambda: MappingProxyType({}))
    altnames: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
