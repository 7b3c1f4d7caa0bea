"""."""

import grpc

from rdma_dp.kubelet.api import status_pb2, status_pb2_grpc
from rdma_dp.kubelet.clients.channel import DEADLINE, intelligible
from rdma_dp.kubelet.views import PluginStatus


async def ask_status(channel: grpc.aio.Channel) -> PluginStatus:
    """The state of the rdma-dp that serves the socket. Raises grpc.aio.AioRpcError."""
    stub = status_pb2_grpc.StatusStub(channel)
    said = await intelligible(stub.Get(status_pb2.StatusRequest(), timeout=DEADLINE))
    return PluginStatus(
        version=said.version,
        pid=said.pid,
        started_at=said.started_at,
        resource=said.resource,
        way=said.way,
        streams=said.streams,
        listed=said.listed,
        healthy=said.healthy,
        trouble=said.trouble or None,
        connected_at=said.connected_at or None,
        reasons=tuple(said.reasons),
    )
