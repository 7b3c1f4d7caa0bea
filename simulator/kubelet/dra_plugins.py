"""kubelet's side of DRA: drivers, their connections, and the health of their devices.

As kubelet's pkg/kubelet/cm/dra/plugin: a driver can have several connections, and the newest is
used. The stream of health is opened on each, and again when it ends.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from rdma_dp.kubelet.api import (
    dra_beta_pb2_grpc,
    dra_health_pb2,
    dra_health_pb2_grpc,
    dra_pb2_grpc,
)
from simulator.kubelet.client import dial
from simulator.kubelet.events import DriverGone, DriverRegistered, HealthReceived
from simulator.kubelet.journal import Journal
from simulator.kubelet.tasks import TaskSet

DRA_PLUGIN = "DRAPlugin"

_STUBS: Mapping[str, Any] = {
    "v1.DRAPlugin": dra_pb2_grpc.DRAPluginStub,
    "v1beta1.DRAPlugin": dra_beta_pb2_grpc.DRAPluginStub,
}
DRA_SERVICES = tuple(_STUBS)
_HEALTH_RETRY = 0.1  # seconds; kubelet waits 5
_DEFAULT_TIMEOUT = 30  # seconds; kubelet, DefaultHealthTimeout


@dataclass(frozen=True, slots=True)
class Health:
    """The health of a device as the driver sent it, and the seconds for which it counts."""

    state: str
    message: str
    timeout: int


@dataclass(eq=False, slots=True)
class Connection:
    """One registered socket of a driver."""

    driver: str
    socket: Path
    version: str
    channel: grpc.aio.Channel
    stub: Any
    tasks: TaskSet = field(default_factory=TaskSet)


class DriverTable:
    """The drivers that are registered, and the health of their devices.

    `known` are the services that this kubelet knows. `health` is by driver, pool and device.
    """

    def __init__(self, journal: Journal, known: Sequence[str] = DRA_SERVICES) -> None:
        self._journal = journal
        self._known = tuple(known)
        self._connections: list[Connection] = []
        self.health: dict[tuple[str, str, str], Health] = {}

    def refusal(self, driver: str, socket: Path, versions: Sequence[str]) -> str | None:
        """Why a driver cannot be registered. None if it can."""
        if not any(version in self._known for version in versions):
            return f"none of the DRA gRPC services {list(versions)} is supported"
        if any((each.driver, each.socket) == (driver, socket) for each in self._connections):
            return f"endpoint {socket} of {driver} is already registered"
        return None

    async def register(self, driver: str, socket: Path, versions: Sequence[str]) -> None:
        """Connect to a driver. Raises DialError."""
        version = next(version for version in versions if version in self._known)
        channel = await dial(socket)
        made = Connection(driver, socket, version, channel, _STUBS[version](channel))
        self._connections.append(made)
        made.tasks.spawn(self._follow(made), name=f"kubelet: health of {driver}")
        self._journal.record(DriverRegistered(driver, socket, version))

    async def remove(self, driver: str, socket: Path) -> None:
        """Close the connection to a socket that is gone."""
        for each in [*self._connections]:
            if (each.driver, each.socket) == (driver, socket):
                await self._close(each)
                self._journal.record(DriverGone(driver, socket))

    async def stop(self) -> None:
        """Close all connections. The health of devices is not known any more."""
        for each in [*self._connections]:
            await self._close(each)
        self.health.clear()

    def newest(self, driver: str) -> Connection | None:
        """The connection that kubelet uses."""
        return next((e for e in reversed(self._connections) if e.driver == driver), None)

    def sockets(self, driver: str) -> list[Path]:
        """All sockets of a driver, oldest first."""
        return [each.socket for each in self._connections if each.driver == driver]

    async def _close(self, connection: Connection) -> None:
        self._connections.remove(connection)
        await connection.tasks.cancel()
        await connection.channel.close()

    async def _follow(self, connection: Connection) -> None:
        stub = dra_health_pb2_grpc.DRAResourceHealthStub(connection.channel)
        while True:
            try:
                async for message in stub.NodeWatchResources(
                    dra_health_pb2.NodeWatchResourcesRequest()
                ):
                    self._received(connection.driver, message)
            except grpc.aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.UNIMPLEMENTED:
                    return
            await asyncio.sleep(_HEALTH_RETRY)

    def _received(self, driver: str, message: dra_health_pb2.NodeWatchResourcesResponse) -> None:
        for each in message.devices:
            key = driver, each.device.pool_name, each.device.device_name
            state = dra_health_pb2.HealthStatus.Name(each.health)
            seconds = each.health_check_timeout_seconds or _DEFAULT_TIMEOUT
            self.health[key] = Health(state, each.message, seconds)
        self._journal.record(HealthReceived(driver, len(message.devices)))
