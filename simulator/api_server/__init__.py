"""A fake API server: only what a DRA driver needs of it, over real sockets.

It keeps ResourceSlices, ResourceClaims, DeviceClasses and Nodes as kube-apiserver 1.34 to 1.36 does
(k8s.io/kubernetes pkg/registry/resource, k8s.io/apiserver pkg/registry): resource versions,
conflicts, watches that end or expire, and fields that are dropped while a feature gate is off. It
checks the token, and what a request may do. Allocation is not simulated.
"""

from simulator.api_server.faults import ApiFault
from simulator.api_server.server import FakeApiServer

__all__ = ["FakeApiServer", "ApiFault"]
