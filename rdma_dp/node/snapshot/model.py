"""What a snapshot is: a tree, what the node answered beside it, and its config."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from rdma_dp.config.loading import FoundConfig
from rdma_dp.node.answers import Answers
from rdma_dp.node.snapshot.contents import Contents


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`versions` are for people: of rdma-dp, of Python and of the kernel.

    `raw` tells whether it holds MACs, addresses and names as they were.
    """

    contents: Contents
    answers: Answers = field(default_factory=Answers)
    config: FoundConfig | None = None
    versions: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    raw: bool = True
