"""A foreign device plugin: it serves a resource that rdma-dp serves too.

It behaves as the Go plugin: one socket, Register or GetInfo, a list that never changes, no status.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import grpc

from rdma_dp.kubelet.api import deviceplugin_pb2 as pb
from rdma_dp.kubelet.api import deviceplugin_pb2_grpc as rpc
from rdma_dp.kubelet.api import pluginregistration_pb2 as info_pb
from rdma_dp.kubelet.api import pluginregistration_pb2_grpc as info_rpc

Context = grpc.aio.ServicerContext[Any, Any]

# Without this option, all channels to one path share a connection.
_CHANNEL_OPTIONS = [("grpc.use_local_subchannel_pool", 1)]
_REGISTER_TIMEOUT = 15.0  # seconds; kubelet dials back for 10


class ForeignPlugin(rpc.DevicePluginServicer, info_rpc.RegistrationServicer):
    """Serves `resource` on `socket` until `end`. `devices` maps the ids to their health.

    In plugins_registry kubelet finds it and calls GetInfo. In device-plugins it calls `register`.
    `asked` is set after any call of GetInfo, with or without success.
    """

    def __init__(
        self, resource: str, devices: Mapping[str, str], socket: Path, *, answers_info: bool
    ) -> None:
        self.socket = socket
        self._resource = resource
        self._devices = devices
        self._answers_info = answers_info
        self.asked = asyncio.Event()
        # When gRPC stops, it removes the name that it bound. A process that is killed does not
        # remove its socket. So gRPC binds another name, and the socket is a second link to it.
        self._bound = socket.parent.parent / f".{socket.name}"
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        rpc.add_DevicePluginServicer_to_server(self, self._server)
        info_rpc.add_RegistrationServicer_to_server(self, self._server)

    async def start(self) -> None:
        """Serves on the socket."""
        self._server.add_insecure_port(f"unix:{self._bound}")
        await self._server.start()
        os.link(self._bound, self.socket)
        self._bound.unlink()

    async def register(self, kubelet_socket: Path) -> None:
        """Call kubelet. Raises grpc.aio.AioRpcError."""
        request = pb.RegisterRequest(
            version="v1beta1", endpoint=self.socket.name, resource_name=self._resource
        )
        async with grpc.aio.insecure_channel(
            f"unix:{kubelet_socket}", options=_CHANNEL_OPTIONS
        ) as channel:
            await rpc.RegistrationStub(channel).Register(request, timeout=_REGISTER_TIMEOUT)

    async def end(self, *, kill: bool = False) -> None:
        """Stop it. If it is killed, its socket stays."""
        await self._server.stop(None)
        if not kill:
            with contextlib.suppress(FileNotFoundError):  # kubelet removes it when it starts
                self.socket.unlink()

    async def GetDevicePluginOptions(  # noqa: N802 - the wire's name
        self,
        request: pb.Empty,  # noqa: ARG002 - the wire's signature
        context: Context,  # noqa: ARG002
    ) -> pb.DevicePluginOptions:
        """It wants no optional calls."""
        return pb.DevicePluginOptions()

    async def ListAndWatch(  # noqa: N802
        self,
        request: pb.Empty,  # noqa: ARG002
        context: Context,  # noqa: ARG002
    ) -> AsyncIterator[pb.ListAndWatchResponse]:
        """One list. The stream stays open until the server stops."""
        devices = [pb.Device(ID=id_, health=health) for id_, health in self._devices.items()]
        yield pb.ListAndWatchResponse(devices=devices)
        await asyncio.Event().wait()

    async def Allocate(  # noqa: N802
        self,
        request: pb.AllocateRequest,
        context: Context,  # noqa: ARG002
    ) -> pb.AllocateResponse:
        """An answer that shows which plugin gave it."""
        answer = pb.ContainerAllocateResponse(envs={"FOREIGN": "1"})
        return pb.AllocateResponse(container_responses=[answer] * len(request.container_requests))

    async def GetPreferredAllocation(  # noqa: N802
        self,
        request: pb.PreferredAllocationRequest,  # noqa: ARG002
        context: Context,  # noqa: ARG002
    ) -> pb.PreferredAllocationResponse:
        """No preference."""
        return pb.PreferredAllocationResponse()

    async def PreStartContainer(  # noqa: N802
        self,
        request: pb.PreStartContainerRequest,  # noqa: ARG002
        context: Context,  # noqa: ARG002
    ) -> pb.PreStartContainerResponse:
        """Nothing to do."""
        return pb.PreStartContainerResponse()

    async def GetInfo(  # noqa: N802
        self,
        request: info_pb.InfoRequest,  # noqa: ARG002
        context: Context,
    ) -> info_pb.PluginInfo:
        """The call of the plugin watcher. A plugin that calls Register does not have it."""
        self.asked.set()
        if not self._answers_info:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "unknown service")
        return info_pb.PluginInfo(
            type="DevicePlugin", name=self._resource, supported_versions=["v1beta1"]
        )

    async def NotifyRegistrationStatus(  # noqa: N802
        self,
        request: info_pb.RegistrationStatus,  # noqa: ARG002
        context: Context,  # noqa: ARG002
    ) -> info_pb.RegistrationStatusResponse:
        """Ignored."""
        return info_pb.RegistrationStatusResponse()
