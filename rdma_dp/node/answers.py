"""What a node answers beside its files and netlink: kubelet, and who owns queue pairs.

A snapshot records these values. A captured directory has none of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rdma_dp.host.netlink.values import QueuePairs
from rdma_dp.kubelet.views import KubeletView


@dataclass(frozen=True, slots=True)
class About:
    """Who took a snapshot. `taken_at` is UTC in ISO 8601; `as_root` is True for user 0."""

    version: str
    taken_at: str
    as_root: bool


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers of one moment. None: this node has no such answer.

    `queue_pairs` maps the names of HCAs to their owners; it lacks an HCA for which the kernel does
    not report them.
    """

    kubelet: KubeletView | None = None
    queue_pairs: Mapping[str, QueuePairs] | None = None
    about: About | None = None

    def ask(self, kubelet_root: Path, device_plugins: Path | None = None) -> "Answers":  # noqa: ARG002
        """These answers, whatever the directories: they were recorded."""
        return self


class AnswerSource(Protocol):
    """A node that answers now, or did when it was recorded."""

    def ask(self, kubelet_root: Path, device_plugins: Path | None = None) -> Answers:
        """All answers. A live node asks kubelet in these directories.

        `device_plugins` defaults to the one below `kubelet_root`.
        """
