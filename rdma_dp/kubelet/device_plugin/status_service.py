"""The Status service: the state of one resource, served beside DevicePlugin."""

import os
import time
from typing import Any

import grpc

from rdma_dp import __version__
from rdma_dp.kubelet.api import status_pb2 as pb
from rdma_dp.kubelet.api import status_pb2_grpc as rpc
from rdma_dp.kubelet.device_plugin.servicer import Plugin, add_to_server
from rdma_dp.kubelet.sockets import AddServices

_STARTED_AT = int(time.time())


class StatusService(rpc.StatusServicer):
    """Answers the doctor for one resource that goes one way to kubelet."""

    def __init__(self, plugin: Plugin, way: str) -> None:
        self._plugin = plugin
        self._way = way

    async def Get(
        self, request: pb.StatusRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> Any:
        """How the resource stands at this moment."""
        plugin, pool = self._plugin, self._plugin.pool
        return pb.StatusReply(
            version=__version__,
            pid=os.getpid(),
            started_at=_STARTED_AT,
            resource=plugin.resource,
            way=self._way,
            trouble="" if plugin.streams.value.open else plugin.trouble.text or "",
            streams=plugin.streams.value.open,
            connected_at=int(plugin.connected_at or 0),
            listed=pool.listed,
            healthy=pool.healthy,
            reasons=[reason.text for reason in pool.reasons],
            reason_codes=[reason.code for reason in pool.reasons],
            leaving=plugin.handover.value.leaving,
        )


def services(plugin: Plugin, way: str) -> list[AddServices]:
    """DevicePlugin for kubelet and PluginStatus for the doctor and the peers."""
    status = StatusService(plugin, way)
    return [
        lambda server: add_to_server(plugin, server),
        lambda server: rpc.add_StatusServicer_to_server(status, server),
    ]
