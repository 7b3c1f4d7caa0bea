"""A snapshot: the files of a node, its answers over netlink and otherwise, and its config."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from rdma_dp.config.loading import FoundConfig
from rdma_dp.host.netlink.values import NetlinkView
from rdma_dp.node.answers import Answers
from rdma_dp.node.snapshot.contents import Contents


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`netlink` is None when the node has no RDMA netlink.

    `versions` are for people: of rdma-dp, Python and the kernel. `raw` is True when MACs, addresses
    and names are not replaced.
    """

    contents: Contents
    netlink: NetlinkView | None = None
    answers: Answers = field(default_factory=Answers)
    config: FoundConfig | None = None
    versions: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    raw: bool = True
