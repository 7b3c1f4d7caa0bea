"""Pools and plugins for these tests."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
from asyncinotify import Inotify, Mask

from rdma_dp.aio.latest import Latest
from rdma_dp.config import CdiMode, Config, Selectors, parse
from rdma_dp.inventory.hardware import CharDevice, DeviceNumber, Hca, Inventory, PciFunction, System
from rdma_dp.kubelet.api import deviceplugin_pb2 as pb
from rdma_dp.kubelet.api import deviceplugin_pb2_grpc as rpc
from rdma_dp.kubelet.device_plugin.servicer import Plugin, add_to_server
from rdma_dp.kubelet.sockets import SocketServer
from rdma_dp.sharing.pool import Pool, make_pool
from rdma_dp.sharing.selection import select

DEADLINE = 60.0  # seconds; only a failure waits that long

RDMA_CM = CharDevice("rdma_cm", DeviceNumber(10, 58))


def hca(number: int) -> Hca:
    return Hca(
        f"mlx5_{number}",
        functions=(PciFunction(f"0000:{number:02x}:00.0", numa_node=number % 2),),
        uverbs=CharDevice(f"uverbs{number}", DeviceNumber(231, 192 + number)),
        umads=(CharDevice(f"umad{number}", DeviceNumber(231, number)),),
    )


def pool(
    *numbers: int,
    slots: int = 4,
    name: str = "a",
    previous: Pool | None = None,
    cdi: CdiMode = CdiMode.OFF,
    **settings: Any,
) -> Pool:
    """The pool of `rdma/<name>` on a node with these HCAs; `settings` are those of the resource."""
    entry = {"resourceName": name, "rdmaHcaMax": slots, "selectors": {"drivers": ["mlx5_core"]}}
    resource = parse(json.dumps({"configList": [entry]})).config.config_list[0]
    resource = replace(resource, selectors=Selectors(), **settings)
    system = System(rdma_cm=RDMA_CM)
    inventory = Inventory(hcas=tuple(hca(number) for number in numbers), system=system)
    return make_pool(select(inventory, resource), system, previous, config=Config(cdi=cdi))


@asynccontextmanager
async def served(plugin: Plugin, path: Path) -> AsyncIterator[SocketServer]:
    """The plugin on a socket."""
    server = SocketServer(path, [lambda grpc_server: add_to_server(plugin, grpc_server)])
    try:
        await server.start()
        yield server
    finally:
        await server.stop()


@asynccontextmanager
async def dialled(path: Path) -> AsyncIterator[Any]:
    """A client of a plugin's socket, with a connection of its own."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(f"unix:{path}", options=options) as channel:
        yield rpc.DevicePluginStub(channel)


def health(message: pb.ListAndWatchResponse) -> dict[str, str]:
    return {device.ID: device.health for device in message.devices}


def healthy(message: pb.ListAndWatchResponse) -> int:
    return sum(device.health == "Healthy" for device in message.devices)


async def read_until(stream: Any, accept: Callable[[Any], bool]) -> list[Any]:
    """The messages of a stream up to the first one that `accept` takes."""
    messages: list[Any] = []
    async with asyncio.timeout(DEADLINE):
        while not messages or not accept(messages[-1]):
            message = await stream.read()
            assert message is not grpc.aio.EOF, "the stream ended"
            messages.append(message)
    return messages


async def appears(directory: Path, accept: Callable[[], bool], seconds: float = DEADLINE) -> None:
    """Waits until the names in a directory are as wished."""
    with Inotify() as inotify:
        inotify.add_watch(directory, Mask.CREATE | Mask.DELETE | Mask.MOVE)
        async with asyncio.timeout(seconds):
            while not accept():
                await inotify.get()


async def until(latest: Latest[Any], accept: Callable[[Any], bool]) -> Any:
    async with asyncio.timeout(DEADLINE):
        return await latest.until(accept)
