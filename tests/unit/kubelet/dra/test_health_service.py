"""The stream of the health of devices: whole lists, at once, after changes and again."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from rdma_dp.aio.latest import Latest
from rdma_dp.kubelet.api import dra_health_pb2 as pb
from rdma_dp.kubelet.api import dra_health_pb2_grpc as rpc
from rdma_dp.kubelet.dra.device_health import DeviceHealth, DeviceState
from rdma_dp.kubelet.dra.health_service import INTERVAL, HealthService
from rdma_dp.kubelet.sockets import SocketServer

UP = DeviceHealth("node", "a", DeviceState.HEALTHY, "mlx5_0")
DOWN = DeviceHealth("node", "a", DeviceState.UNHEALTHY, "x" * 5000)


@pytest.fixture
async def health() -> Latest[tuple[DeviceHealth, ...]]:
    return Latest((UP,))


async def streamed(
    path: Path, service: HealthService, wanted: int
) -> AsyncIterator[pb.NodeWatchResourcesResponse]:
    server = SocketServer(path, [service.add_to])
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"unix:{path}") as channel:
            stub = rpc.DRAResourceHealthStub(channel)
            got = 0
            async for message in stub.NodeWatchResources(pb.NodeWatchResourcesRequest()):
                yield message
                got += 1
                if got == wanted:
                    return
    finally:
        await server.stop()


def states(message: Any) -> list[str]:
    return [pb.HealthStatus.Name(each.health) for each in message.devices]


async def test_a_change_comes_at_once(
    directory: Path, health: Latest[tuple[DeviceHealth, ...]]
) -> None:
    service = HealthService(health, interval=3600)
    seen = []
    async for message in streamed(directory / "a.sock", service, 3):
        seen.append(states(message))
        assert all(len(each.message) <= 1024 for each in message.devices)
        health.set({1: (DOWN,), 2: ()}.get(len(seen), ()))
    assert seen == [["HEALTHY"], ["UNHEALTHY"], []]


async def test_the_list_comes_again_without_a_change(
    directory: Path, health: Latest[tuple[DeviceHealth, ...]]
) -> None:
    service = HealthService(health, interval=0.01)
    seen = [states(m) async for m in streamed(directory / "a.sock", service, 5)]
    assert seen == [["HEALTHY"]] * 5


async def test_kubelet_waits_longer_than_until_the_next_list(
    directory: Path, health: Latest[tuple[DeviceHealth, ...]]
) -> None:
    async for message in streamed(directory / "a.sock", HealthService(health), 1):
        (device,) = message.devices
        assert device.health_check_timeout_seconds >= 2 * INTERVAL
        assert (device.device.pool_name, device.device.device_name) == ("node", "a")
        assert device.message == "mlx5_0"


async def test_a_list_above_the_limit_of_a_message_comes_in_parts(directory: Path) -> None:
    """8 HCAs with 1024 slots each, and texts as long as they may be."""
    names = [f"a-{number:05}" for number in range(8 * 1024)]
    text = "\N{SNOWMAN}" * 1024
    unhealthy = tuple(DeviceHealth("node", name, DeviceState.UNHEALTHY, text) for name in names)
    seen: list[str] = []
    service = HealthService(Latest(unhealthy), interval=3600)
    async for message in streamed(directory / "a.sock", service, wanted=1_000_000):
        assert message.ByteSize() < 4 * 1024 * 1024
        seen += [each.device.device_name for each in message.devices]
        if len(seen) == len(names):
            break
    assert seen == names
