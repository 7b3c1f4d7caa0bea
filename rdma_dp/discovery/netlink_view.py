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
class NetlinkView:
    """Everything that netlink said. `altnames` maps netdevs to the further names that they have."""

    netns_mode: str | None = None
    devices: Mapping[str, NldevDevice] = field(default_factory=lambda: MappingProxyType({}))
    altnames: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
