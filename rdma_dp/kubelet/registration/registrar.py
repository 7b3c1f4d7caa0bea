"""Register, the one call of kubelet's own service: kubelet then dials the plugin's socket.

From 1.37 on, kubelet has a client for each socket path of a resource. It refuses a path that is
connected, and then never notices that this path disconnects (pkg/kubelet/cm/devicemanager,
manager.go: PluginConnected, and plugin/v1beta1/handler.go: connectClient, runClient). It may still
have a path whose server has stopped. So only the first call of a process names the socket itself.
Each later one names a link to it, which is another path.
"""

import contextlib
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import grpc

from rdma_dp.kubelet.api import deviceplugin_pb2 as pb
from rdma_dp.kubelet.api import deviceplugin_pb2_grpc as rpc
from rdma_dp.kubelet.clients.channel import NO_CHANNEL
from rdma_dp.kubelet.device_plugin import messages
from rdma_dp.kubelet.device_plugin.servicer import Plugin
from rdma_dp.kubelet.device_plugin.status_service import services
from rdma_dp.kubelet.registration.neighbours import Neighbours
from rdma_dp.kubelet.sockets import SocketError, SocketServer, identity, link_name

# Seconds. kubelet answers Register only after it has dialled back, for which it takes up to 10 s.
REGISTER_DEADLINE = 15.0

# Seconds within which kubelet connects in either mode. After them, the log reports it.
CONNECT_DEADLINE = REGISTER_DEADLINE

# Seconds within which kubelet opens ListAndWatch after it has accepted a registration. It does so
# at once (handler.go: runClient): a stream that is not there by then was opened and lost.
STREAM_TIMEOUT = 5.0

# Without it the channels of all resources share a connection, and one that failed just before
# kubelet came keeps the others waiting for its own next try.
_CHANNEL_OPTIONS = [("grpc.use_local_subchannel_pool", 1)]

# Of the whole process, because a new Registrar can have the socket of an older one: how many calls
# there were for each socket, and the sockets that were named themselves. Counted for each socket,
# because the names of links repeat: kubelet may still be connected to one of a few calls before.
_calls: defaultdict[Path, Iterator[int]] = defaultdict(count)
_named: dict[Path, tuple[int, int] | None] = {}


class Registrar:
    """Calls Register on `kubelet` for a plugin that serves on `own`, beside its neighbours.

    kubelet dials a file beside its own socket. A plugin that serves elsewhere gets a second socket
    there, from the first call until `close`.
    """

    def __init__(
        self, plugin: Plugin, own: Path, kubelet: Path, neighbours: Iterable[Neighbours]
    ) -> None:
        self._plugin = plugin
        self._kubelet = kubelet
        self._neighbours = tuple(neighbours)
        self._socket = kubelet.with_name(own.name)
        # Whether a call has begun and did not succeed: kubelet may have forgotten its client.
        self.unfinished = False
        self._second: SocketServer | None = None
        if own != self._socket:
            self._second = SocketServer(self._socket, services(plugin, "plugins-registry"))

    async def register(self) -> None:
        """Registers, also once more. Raises grpc.aio.AioRpcError and SocketError."""
        if self._second is not None and not self._second.in_place:
            await self._second.stop()
            await self._second.start()
        for each in self._neighbours:
            each.begin()
        with self._new_path() as path:
            self.unfinished = True
            await self._call(path.name)
            self.unfinished = False
        for each in self._neighbours:
            each.registered()

    async def _call(self, endpoint: str) -> None:
        request = pb.RegisterRequest(
            version=messages.API_VERSION,
            endpoint=endpoint,
            resource_name=self._plugin.resource,
            options=self._plugin.options,
        )
        address = f"unix:{self._kubelet}"
        try:
            async with grpc.aio.insecure_channel(address, options=_CHANNEL_OPTIONS) as channel:
                await rpc.RegistrationStub(channel).Register(request, timeout=REGISTER_DEADLINE)
        except NO_CHANNEL as error:
            raise SocketError(f"cannot call {self._kubelet}", str(error)) from error

    @contextmanager
    def _new_path(self) -> Iterator[Path]:
        """A path of our socket that kubelet has not connected, for as long as kubelet dials it.

        Where no link can be made, it is the path of a socket made anew. Raises SocketError if this
        very socket was named already.
        """
        link = self._socket.with_name(link_name(self._socket.name, next(_calls[self._socket])))
        if self._socket in _named and _linked(self._socket, link):
            try:
                yield link
            finally:
                with contextlib.suppress(OSError):
                    link.unlink()
            return
        now = identity(self._socket)
        if self._socket in _named and _named[self._socket] == now:
            raise SocketError(
                f"cannot make the link {link}", "is this a file system without links?"
            )
        _named[self._socket] = now
        yield self._socket

    async def close(self) -> None:
        """Takes the second socket away, if there is one."""
        if self._second is not None:
            await self._second.stop()


def _linked(socket: Path, link: Path) -> bool:
    try:
        os.link(socket, link, follow_symlinks=False)
    except OSError:
        return False
    return True
