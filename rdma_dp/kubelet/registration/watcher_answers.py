"""What kubelet's plugin watcher asks of a socket that it found in plugins_registry."""

import logging
from collections.abc import Callable, Iterable, Sequence
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

# Seconds within which kubelet has seen that a socket is gone, which drops its current client: its
# watcher scans once a second (pkg/kubelet/pluginmanager/plugin_manager.go: loopSleepDuration).
UNREGISTER_DELAY = 2.5


class Introduction(rpc.RegistrationServicer):
    """Answers the watcher for one socket. A registration begins with GetInfo.

    `kind`, `name` and `versions` say what the socket serves. `begin` is called at each GetInfo,
    `accepted` when kubelet has registered the socket. `asked` is whether kubelet called GetInfo.
    `refusal` is the reason for which kubelet refused the socket last.
    """

    def __init__(
        self,
        kind: str,
        name: str,
        versions: Sequence[str],
        begin: Callable[[], None],
        accepted: Callable[[], None],
    ) -> None:
        # An empty endpoint means this very socket, wherever kubelet's root directory is.
        self._info = pb.PluginInfo(type=kind, name=name, endpoint="", supported_versions=versions)
        self._begin = begin
        self._accepted = accepted
        self.registered = Latest(False)
        self.asked = Latest(False)
        self.refusal: Latest[str | None] = Latest(None)

    def add_to(self, server: grpc.aio.Server) -> None:
        """Adds this service to a server."""
        rpc.add_RegistrationServicer_to_server(self, server)

    async def GetInfo(self, request: pb.InfoRequest, context: Context) -> Any:
        """What the socket serves."""
        self.asked.set(True)
        self._begin()
        return self._info

    async def NotifyRegistrationStatus(
        self, request: pb.RegistrationStatus, context: Context
    ) -> Any:
        """What became of the registration. kubelet may have made its other calls before."""
        if request.plugin_registered:
            logger.info("%s: registered with kubelet's plugin watcher", self._info.name)
            self._accepted()
            self.registered.set(True)
            self.refusal.set(None)
        else:
            self.refusal.set(request.error or "no reason given")
        return pb.RegistrationStatusResponse()


def introduction_of(plugin: Plugin, neighbours: Iterable[Neighbours]) -> Introduction:
    """The answers for one socket of a resource."""
    neighbours = tuple(neighbours)

    def begin() -> None:
        for each in neighbours:
            each.begin()

    def accepted() -> None:
        plugin.note_registered()
        for each in neighbours:
            each.registered()

    versions = [messages.API_VERSION]
    return Introduction(DEVICE_PLUGIN, plugin.resource, versions, begin, accepted)
