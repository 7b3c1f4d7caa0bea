"""Allocate called as bytes, so that the client costs the same whoever answers."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import grpc

from bench.echo import METHOD, SERVICE
from bench.process import PATIENCE, Child, running
from bench.workshop import Workshop
from rdma_dp.kubelet.api import deviceplugin_pb2 as pb

Call = Callable[[], Awaitable[bytes]]
Method = grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]

_ONE_SLOT = pb.AllocateRequest(
    container_requests=[pb.ContainerAllocateRequest(devices_ids=["0"])]
).SerializeToString()


@asynccontextmanager
async def allocator(socket: Path) -> AsyncIterator[Call]:
    """Calls Allocate for one container and one slot at whoever serves on `socket`.

    A connection of its own, as each plugin has to kubelet.
    """
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(f"unix:{socket}", options=options) as channel:
        await asyncio.wait_for(channel.channel_ready(), PATIENCE)
        method: Method = channel.unary_unary(f"/{SERVICE}/{METHOD}")
        yield lambda: method(_ONE_SLOT, timeout=PATIENCE)


@asynccontextmanager
async def echo(workshop: Workshop, size: int) -> AsyncIterator[tuple[Child, Call]]:
    """A bare grpc.aio server in its own process, whose answers have `size` bytes."""
    directory = workshop.directory()
    socket = directory / "echo.sock"
    async with (
        running(
            *("-m", "bench.echo", socket, str(size)),
            log=directory / "log",
            environment=workshop.environment,
        ) as child,
        allocator(socket) as call,
    ):
        yield child, call


async def timed(call: Call, count: int, at_once: int = 1) -> list[float]:
    """How long each of `count` calls took, in seconds; always `at_once` of them are under way."""

    async def caller() -> list[float]:
        return [await _timed_once(call) for _ in range(count // at_once)]

    return [
        taken for one in await asyncio.gather(*(caller() for _ in range(at_once))) for taken in one
    ]


async def _timed_once(call: Call) -> float:
    begin = time.perf_counter()
    await call()
    return time.perf_counter() - begin
