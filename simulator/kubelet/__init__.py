"""A simulated kubelet: only its device manager, its DRA manager and its plugin watcher.

It treats a device plugin as kubelet 1.36 or 1.37 does, with their peculiarities (kubelet's
pkg/kubelet/cm/devicemanager and pkg/kubelet/pluginmanager). It records every violation of the
contract that would do harm on a node. Pods, topology hints and the checkpoint are not simulated.
"""

import rdma_dp.kubelet  # noqa: F401 - quiets gRPC, before gRPC is imported
from simulator.kubelet.admission import Allocation, UnexpectedAdmissionError
from simulator.kubelet.dra_claims import Claim, PreparedDevice, PrepareError
from simulator.kubelet.dra_plugins import Health
from simulator.kubelet.events import (
    Allocated,
    Disconnected,
    DriverGone,
    DriverRegistered,
    Event,
    Forgotten,
    HealthReceived,
    ListReceived,
    Promoted,
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
    "Claim",
    "PreparedDevice",
    "PrepareError",
    "Health",
    "DriverRegistered",
    "DriverGone",
    "HealthReceived",
    "Event",
    "Started",
    "Registered",
    "Refused",
    "ListReceived",
    "StreamEnded",
    "Disconnected",
    "Promoted",
    "Forgotten",
    "Allocated",
    "Violated",
    "Stopped",
    "Way",
]
