"""The client of the Status service (protos/status.proto), for the doctor and for peers."""

from pathlib import Path

import grpc

from rdma_dp.kubelet.api import status_pb2, status_pb2_grpc
from rdma_dp.kubelet.clients.channel import DEADLINE, OPTIONS, intelligible
from rdma_dp.kubelet.views import DriverStatus, PluginStatus


async def status_of(path: Path, timeout: float) -> PluginStatus:  # noqa: ASYNC109 - of the call
    """The status of the rdma-dp on a socket; `timeout` in seconds.

    Raises grpc.aio.AioRpcError and UnintelligibleError.
    """
    async with grpc.aio.insecure_channel(f"unix:{path}", options=OPTIONS) as channel:
        return await ask_status(channel, timeout)


async def ask_status(
    channel: grpc.aio.Channel,
    timeout: float = DEADLINE,  # noqa: ASYNC109 - of the call
) -> PluginStatus:
    """The same over a channel."""
    stub = status_pb2_grpc.StatusStub(channel)
    said = await intelligible(stub.Get(status_pb2.StatusRequest(), timeout=timeout))
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
        leaving=said.leaving,
    )


async def ask_driver(channel: grpc.aio.Channel) -> DriverStatus:
    """The status of a DRA driver of an rdma-dp. Raises as `ask_status` does."""
    stub = status_pb2_grpc.DriverStatusStub(channel)
    said = await intelligible(stub.Get(status_pb2.DriverStatusRequest(), timeout=DEADLINE))
    return DriverStatus(
        version=said.version,
        driver=said.driver,
        registered=said.registered,
        listed=said.listed,
        slices=said.slices,
        devices=said.devices,
        current=said.current,
        directory=said.directory,
        directory_is_kept=said.directory_is_kept,
        node=said.node or None,
        trouble=said.trouble or None,
        failure=said.failure or None,
        lacking_gates=tuple(said.lacking_gates),
        claims=tuple(said.claims),
        stuck_claims=tuple(said.stuck_claims),
    )
