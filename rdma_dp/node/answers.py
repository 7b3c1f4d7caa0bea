"""What a node answers that stands in no file: netlink, kubelet, and who looked when.

A snapshot holds these values beside the files; a plain directory has none of them. None always
means "nobody could be asked", never "there is nothing".
"""

from collections.abc import Mapping
from dataclasses import dataclass

from rdma_dp.host.netlink.values import NetlinkView, QueuePairs
from rdma_dp.kubelet.views import KubeletView


@dataclass(frozen=True, slots=True)
class About:
    """Who looked: `taken_at` is UTC in ISO 8601, `as_root` whether as user 0."""

    version: str
    taken_at: str
    as_root: bool


@dataclass(frozen=True, slots=True)
class Answers:
    """All of them, at one moment. `queue_pairs` has the HCAs that tell, by their names."""

    netlink: NetlinkView | None = None
    kubelet: KubeletView | None = None
    queue_pairs: Mapping[str, QueuePairs] | None = None
    about: About | None = None
