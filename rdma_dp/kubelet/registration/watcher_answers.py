"""What kubelet's plugin watcher asks of a socket that it found in plugins_registry."""

import logging
from collections.abc import Iterable
from typing import Any

import grpc

from rdma_dp.aio.latest import Latest
from rdma_dp.kubelet.api import pluginregistration_pb2 as pb
from rdma_dp.kubelet.api import pluginregistration_pb2_grpc as rpc
from rdma_dp.kubelet.clients.plugin_info import DEVICE_PLUGIN
from rdma_dp.kubelet.device_plugin import messages
from rdma_dp.kubelet.device_plugin.servicer import Plugin
from rdma_dp.kubelet.registration.neighbours import Neighbours

logger = logging.getLogger(__name__)

Context = grpc.aio.ServicerContext[Any, Any]


class Introduction(rpc.RegistrationServicer):
    """Answers the watcher for one socket of a resource. A registration begins with GetInfo."""

    def __init__(self, plugin: Plugin, neighbours: Iterable[Neighbours]) -> None:
        self._plugin = plugin
        self._neighbours = tuple(neighbours)
        self.registered = Latest(False)
        self.asked = Latest(False)
        self.refusal: Latest[str | None] = Latest(None)

    async def GetInfo(self, request: pb.InfoRequest, context: Context) -> Any:
        """Which resource the socket serves."""
        self.asked.set(True)
        for each in self._neighbours:
            each.begin()
        # An empty endpoint means this very socket, wherever kubelet's root directory is.
        return pb.PluginInfo(
            type=DEVICE_PLUGIN,
            name=self._plugin.resource,
            endpoint="",
            supported_versions=[messages.API_VERSION],
        )

    async def NotifyRegistrationStatus(
        self, request: pb.RegistrationStatus, context: Context
    ) -> Any:
        """What became of the registration. kubelet may have opened ListAndWatch before."""
        if request.plugin_registered:
            logger.info("%s: registered with kubelet's plugin watcher", self._plugin.resource)
            self._plugin.note_registered()
            for each in self._neighbours:
                each.registered()
            self.registered.set(True)
            self.refusal.set(None)
        else:
            self.refusal.set(request.error or "no reason given")
        return pb.RegistrationStatusResponse()
