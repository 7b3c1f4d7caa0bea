"""The DRAResourceHealth service: kubelet shows the health of devices in the status of their pods.

kubelet takes the health of a device as unknown when it was not sent for a while. So the whole list
is sent again and again. A long list has several messages: a device that is not in a message keeps
its health until its time is over. Source: kubelet, pkg/kubelet/cm/dra/manager.go and healthinfo.go.
"""

import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import grpc

from rdma_dp.aio.latest import Latest, Observable, changes
from rdma_dp.formats.list_size import MESSAGE_LIMIT
from rdma_dp.kubelet.api import dra_health_pb2 as pb
from rdma_dp.kubelet.api import dra_health_pb2_grpc as rpc
from rdma_dp.kubelet.dra.device_health import DeviceHealth, DeviceState
from rdma_dp.text import one_line

Context = grpc.aio.ServicerContext[Any, Any]

# Seconds between two lists. kubelet's own timeout is 30 s (DefaultHealthTimeout).
INTERVAL = 15.0
_TIMEOUTS = 4  # intervals after which kubelet takes the health as unknown

_LONGEST = 1024  # characters of a message (k8s.io/kubelet pkg/apis/dra-health/v1alpha1)

# Bytes of the devices in one message. kubelet's client refuses a message above MESSAGE_LIMIT: it
# sets no limit of its own (pkg/kubelet/cm/dra/plugin/dra_plugin_manager.go).
_MOST_BYTES = MESSAGE_LIMIT // 4

_STATES: "Mapping[DeviceState, pb.HealthStatus.ValueType]" = MappingProxyType(
    {
        DeviceState.UNKNOWN: pb.UNKNOWN,
        DeviceState.HEALTHY: pb.HEALTHY,
        DeviceState.UNHEALTHY: pb.UNHEALTHY,
    }
)


class HealthService(rpc.DRAResourceHealthServicer):
    """Sends the newest list to every stream. `streams` is how many are open."""

    def __init__(
        self, health: Observable[Sequence[DeviceHealth]], interval: float = INTERVAL
    ) -> None:
        """`interval`: seconds between two lists without a change."""
        self._health = health
        self._interval = interval
        self.streams = Latest(0)

    def add_to(self, server: grpc.aio.Server) -> None:
        """Adds this service to a server."""
        rpc.add_DRAResourceHealthServicer_to_server(self, server)

    async def NodeWatchResources(
        self, request: pb.NodeWatchResourcesRequest, context: Context
    ) -> AsyncIterator[Any]:
        """The whole list: at once, after each change, and before kubelet takes it as outdated."""
        self.streams.set(self.streams.value + 1)
        try:
            async for _ in changes(self._health, pause=lambda: self._interval):
                for message in _messages(self._health.value, self._interval):
                    yield message
        finally:
            self.streams.set(self.streams.value - 1)


def _messages(
    health: Iterable[DeviceHealth], interval: float
) -> Iterator[pb.NodeWatchResourcesResponse]:
    """The list in as many messages as it needs, one for an empty list."""
    now, timeout = int(time.time()), max(1, int(_TIMEOUTS * interval))
    made, size = pb.NodeWatchResourcesResponse(), 0
    for each in health:
        device = pb.DeviceHealth(
            device=pb.DeviceIdentifier(pool_name=each.pool, device_name=each.device),
            health=_STATES[each.state],
            last_updated_time=now,
            health_check_timeout_seconds=timeout,
            message=one_line(each.message)[:_LONGEST],
        )
        if made.devices and size + device.ByteSize() > _MOST_BYTES:
            yield made
            made, size = pb.NodeWatchResourcesResponse(), 0
        made.devices.append(device)
        size += device.ByteSize()
    yield made
