"""Calls to a device plugin as bytes, so that the client costs the same for every server."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import grpc

from bench.echo import SERVICE
from bench.process import TIMEOUT, Child, running
from bench.workshop import Workshop
from rdma_dp.kubelet.api import deviceplugin_pb2 as pb

Call = Callable[[], Awaitable[bytes]]
Method = grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]

_TURNS = 40


@dataclass(frozen=True, slots=True)
class Request:
    """A request of kubelet to one of a plugin's methods."""

    method: str
    content: bytes


def allocate_of(*slots: str) -> Request:
    """An Allocate request for one container."""
    message = pb.AllocateRequest(
        container_requests=[pb.ContainerAllocateRequest(devices_ids=slots)]
    )
    return Request("Allocate", message.SerializeToString())


def preference_of(available: Sequence[str], size: int) -> Request:
    """A GetPreferredAllocation request for one container."""
    container = pb.ContainerPreferredAllocationRequest(
        available_deviceIDs=available, allocation_size=size
    )
    message = pb.PreferredAllocationRequest(container_requests=[container])
    return Request("GetPreferredAllocation", message.SerializeToString())


@asynccontextmanager
async def caller(socket: Path, *requests: Request) -> AsyncIterator[Call]:
    """A function that sends the next one of the requests to the server on `socket`, in turn.

    All are for one method. It has its own connection, as each plugin has one to kubelet.
    """
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(f"unix:{socket}", options=options) as channel:
        await asyncio.wait_for(channel.channel_ready(), TIMEOUT)
        method: Method = channel.unary_unary(f"/{SERVICE}/{requests[0].method}")
        contents = cycle(each.content for each in requests)
        yield lambda: method(next(contents), timeout=TIMEOUT)


@asynccontextmanager
async def echo(
    workshop: Workshop, request: Request, size: int
) -> AsyncIterator[tuple[Child, Call]]:
    """A bare grpc.aio server in its own process; its responses have `size` bytes."""
    directory = workshop.directory()
    socket = directory / "echo.sock"
    async with (
        running(
            *("-m", "bench.echo", socket, str(size)),
            log=directory / "log",
            environment=workshop.environment,
        ) as child,
        caller(socket, request) as call,
    ):
        yield child, call


async def in_turns(
    calls: Mapping[str, Call], count: int, at_once: int = 1
) -> dict[str, list[float]]:
    """The duration of `count` calls of each kind, in seconds, after a warm-up.

    The kinds take turns, so that other load on the machine affects all of them.
    """
    turn = max(count // _TURNS, at_once)
    for call in calls.values():
        await timed(call, turn, at_once)
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(_TURNS):
        for name, call in calls.items():
            taken[name].extend(await timed(call, turn, at_once))
    return taken


async def timed(call: Call, count: int, at_once: int = 1) -> list[float]:
    """The duration of each of `count` calls, in seconds; `at_once` of them run at a time."""

    async def one_by_one() -> list[float]:
        return [await _timed_once(call) for _ in range(count // at_once)]

    return [
        taken
        for one in await asyncio.gather(*(one_by_one() for _ in range(at_once)))
        for taken in one
    ]


async def _timed_once(call: Call) -> float:
    begin = time.perf_counter()
    await call()
    return time.perf_counter() - begin
