"""What metrics and probes read of a running daemon. They write nothing."""

from collections.abc import Callable
from dataclasses import dataclass

from rdma_dp.kubelet.device_plugin.servicer import Plugin
from rdma_dp.metrics import Metrics
from rdma_dp.sharing.state import NodeState


@dataclass(frozen=True, slots=True)
class Observed:
    """The counters, and how to get the newest values.

    `state` returns the newest state that was offered to kubelet, None before the first scan.
    `plugins` returns the plugin of each resource that is served.
    """

    metrics: Metrics
    state: Callable[[], NodeState | None]
    plugins: Callable[[], tuple[Plugin, ...]]
