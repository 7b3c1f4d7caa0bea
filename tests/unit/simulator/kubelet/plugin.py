# ruff: noqa: N802, ARG002 - names and signatures are the wire's
"""A device plugin that does what a test tells it, and writes down what it is asked."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.message import Message

from rdma_dp.kubelet.api import deviceplugin_pb2 as pb
from rdma_dp.kubelet.api import deviceplugin_pb2_grpc as rpc
from rdma_dp.kubelet.api import pluginregistration_pb2 as info_pb
from rdma_dp.kubelet.api import pluginregistration_pb2_grpc as info_rpc

Context = grpc.aio.ServicerContext[Any, Any]

RESOURCE = "rdma/a"
DEADLINE = 60.0  # seconds, for whatever should end by itself


def healthy(*ids: str) -> list[pb.Device]:
    return [pb.Device(ID=id_, health="Healthy") for id_ in ids]


def unhealthy(*ids: str) -> list[pb.Device]:
    return [pb.Device(ID=id_, health="Unhealthy") for id_ in ids]


class ScriptedPlugin(rpc.DevicePluginServicer):
    def __init__(self) -> None:
        self.devices: Iterable[pb.Device] = healthy("0", "1", "2", "3")
        self.options = pb.DevicePluginOptions()
        self.refuses = False  # the question for the options
        self.info = info_pb.PluginInfo(
            type="DevicePlugin", name=RESOURCE, supported_versions=["v1beta1"]
        )
        self.allocate: Callable[[pb.AllocateRequest], pb.AllocateResponse] = answer_each
        self.preferred: Callable[[pb.PreferredAllocationRequest], pb.PreferredAllocationResponse]
        self.preferred = lambda _: pb.PreferredAllocationResponse()
        self.allocating = asyncio.Event()  # cleared: Allocate waits for it
        self.allocating.set()
        self.inform: Callable[[], Any] = lambda: asyncio.sleep(0)  # awaited by GetInfo
        self.acknowledge: Callable[[], Any] = lambda: asyncio.sleep(0)  # awaited by Notify...
        self.calls: list[tuple[str, Message]] = []
        self.streams_ended = 0
        self._changed = asyncio.Condition()
        self._streams: list[asyncio.Queue[Iterable[pb.Device] | None]] = []
        self._servers: list[grpc.aio.Server] = []

    async def serve(self, socket: Path) -> None:
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        rpc.add_DevicePluginServicer_to_server(self, server)
        info_rpc.add_RegistrationServicer_to_server(_Info(self), server)
        server.add_insecure_port(f"unix:{socket}")
        await server.start()
        self._servers.append(server)

    async def register(
        self, kubelet_socket: Path, endpoint: str, *, deadline: float = DEADLINE, **fields: Any
    ) -> None:
        request = pb.RegisterRequest(
            **({"version": "v1beta1", "resource_name": RESOURCE, "endpoint": endpoint} | fields)
        )
        async with grpc.aio.insecure_channel(
            f"unix:{kubelet_socket}", options=[("grpc.use_local_subchannel_pool", 1)]
        ) as channel:
            await rpc.RegistrationStub(channel).Register(request, timeout=deadline)

    async def join(self, kubelet_socket: Path, name: str = "a.sock") -> None:
        """Serve, then register."""
        await self.serve(kubelet_socket.parent / name)
        await self.register(kubelet_socket, name)

    def push(self, devices: Iterable[pb.Device]) -> None:
        self.devices = list(devices)
        for stream in self._streams:
            stream.put_nowait(self.devices)

    def end_streams(self) -> None:
        for stream in self._streams:
            stream.put_nowait(None)

    @property
    def streams_open(self) -> int:
        return len(self._streams)

    def called(self, name: str) -> list[Any]:
        return [request for called, request in self.calls if called == name]

    async def wait_until(self, predicate: Callable[["ScriptedPlugin"], bool]) -> None:
        async with asyncio.timeout(DEADLINE), self._changed:
            await self._changed.wait_for(lambda: predicate(self))

    async def stop(self) -> None:
        for server in self._servers:
            await server.stop(None)
        self._servers.clear()

    async def note(self, name: str, request: Message) -> None:
        self.calls.append((name, request))
        async with self._changed:
            self._changed.notify_all()

    async def GetDevicePluginOptions(
        self, request: pb.Empty, context: Context
    ) -> pb.DevicePluginOptions:
        await self.note("GetDevicePluginOptions", request)
        if self.refuses:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not now")
        return self.options

    async def ListAndWatch(
        self, request: pb.Empty, context: Context
    ) -> AsyncIterator[pb.ListAndWatchResponse]:
        stream: asyncio.Queue[Iterable[pb.Device] | None] = asyncio.Queue()
        self._streams.append(stream)
        try:
            await self.note("ListAndWatch", request)
            yield pb.ListAndWatchResponse(devices=self.devices)
            while (devices := await stream.get()) is not None:
                yield pb.ListAndWatchResponse(devices=devices)
        finally:
            self._streams.remove(stream)
            self.streams_ended += 1
            async with self._changed:
                self._changed.notify_all()

    async def GetPreferredAllocation(
        self, request: pb.PreferredAllocationRequest, context: Context
    ) -> pb.PreferredAllocationResponse:
        await self.note("GetPreferredAllocation", request)
        return self.preferred(request)

    async def Allocate(self, request: pb.AllocateRequest, context: Context) -> pb.AllocateResponse:
        await self.note("Allocate", request)
        await self.allocating.wait()
        try:
            return self.allocate(request)
        except LookupError as error:
            await context.abort(grpc.StatusCode.NOT_FOUND, str(error.args[0]))

    async def PreStartContainer(
        self, request: pb.PreStartContainerRequest, context: Context
    ) -> pb.PreStartContainerResponse:
        await self.note("PreStartContainer", request)
        return pb.PreStartContainerResponse()


class _Info(info_rpc.RegistrationServicer):
    def __init__(self, plugin: ScriptedPlugin) -> None:
        self._plugin = plugin

    async def GetInfo(self, request: info_pb.InfoRequest, context: Context) -> info_pb.PluginInfo:
        await self._plugin.note("GetInfo", request)
        await self._plugin.inform()
        return self._plugin.info

    async def NotifyRegistrationStatus(
        self, request: info_pb.RegistrationStatus, context: Context
    ) -> info_pb.RegistrationStatusResponse:
        await self._plugin.note("NotifyRegistrationStatus", request)
        await self._plugin.acknowledge()
        return info_pb.RegistrationStatusResponse()


def answer_each(request: pb.AllocateRequest) -> pb.AllocateResponse:
    """One answer for each container, with its ids in the environment."""
    answers = [
        pb.ContainerAllocateResponse(envs={"IDS": ",".join(container.devices_ids)})
        for container in request.container_requests
    ]
    return pb.AllocateResponse(container_responses=answers)
