"""A stand-in for kubelet: its device manager and plugin watcher, and nothing else of it.

It does to a device plugin what kubelet 1.36 does, its odd sides included (kubelet's
pkg/kubelet/cm/devicemanager and pkg/kubelet/pluginmanager), and writes down every breach of the
contract that would have hurt on a node. Pods, topology hints and the checkpoint are not played.
"""

import rdma_dp.kubelet  # noqa: F401 - quiets gRPC, before gRPC is imported
from simulator.kubelet.admission import Allocation, UnexpectedAdmissionError
from simulator.kubelet.events import (
    Allocated,
    Disconnected,
    Event,
    Forgotten,
    ListReceived,
    Refused,
    Registered,
    Started,
    Stopped,
    StreamEnded,
    Violated,
    Way,
)
from simulator.kubelet.faults import Faults
from simulator.kubelet.kubelet import SimulatedKubelet

__all__ = [
    "SimulatedKubelet",
    "Faults",
    "Allocation",
    "UnexpectedAdmissionError",
    "Event",
    "Started",
    "Registered",
    "Refused",
    "ListReceived",
    "StreamEnded",
    "Disconnected",
    "Forgotten",
    "Allocated",
    "Violated",
    "Stopped",
    "Way",
]
