"""kubelet's device manager: the connected plugins and their lists.

Its peculiarities are those of kubelet (pkg/kubelet/cm/devicemanager, plugin/v1beta1/handler.go).
Which clients it keeps, and which of them the end of a stream drops, is in `generations`.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from rdma_dp.kubelet.api import deviceplugin_pb2 as pb
from simulator.kubelet.client import PluginClient, dial, inode_of
from simulator.kubelet.devices import DeviceTable
from simulator.kubelet.events import (
    Disconnected,
    Forgotten,
    ListReceived,
    Promoted,
    Registered,
    StreamEnded,
    Violated,
    Way,
)
from simulator.kubelet.generations import Clients, Endpoint
from simulator.kubelet.journal import Journal
from simulator.kubelet.tasks import TaskSet

GRACE = (
    300.0  # seconds until a resource without a plugin is forgotten; kubelet, devicemanager/types.go
)


class DeviceManager:
    """Lives from `start` to `stop`. The device table belongs to the caller and lives longer."""

    def __init__(
        self, devices: DeviceTable, journal: Journal, grace: float, clients: Clients
    ) -> None:
        self.endpoints: dict[str, Endpoint] = {}
        self._devices = devices
        self._journal = journal
        self._grace = grace
        self._tasks = TaskSet()
        self._clients = clients
        self._open: set[PluginClient] = set()
        self._listening: set[PluginClient] = set()
        # resources for which two plugins had streams since the last registration
        self._shared: set[str] = set()
        self._forgetting: dict[str, asyncio.TimerHandle] = {}

    def start(self) -> None:
        """Start without healthy devices: resources from before wait for their plugins."""
        self._devices.forget_lists()
        for resource in self._devices.lists:
            self.endpoints[resource] = Endpoint(stopped=True)
            self._forget_later(resource)

    async def stop(self) -> None:
        """Close every connection."""
        for timer in self._forgetting.values():
            timer.cancel()
        try:
            await self._tasks.cancel()
        finally:
            await asyncio.gather(*(client.close() for client in self._open))

    async def connect(self, resource: str, socket: Path, way: Way) -> None:
        """Dial `socket`, ask for the options, make it the target of Allocate, read its stream.

        Raises DialError, AlreadyConnectedError or grpc.aio.AioRpcError.
        """
        self._look_for_needless_registration(resource, socket)
        self._clients.begin(resource, socket)
        try:
            client, options = await self.introduce(resource, socket)
            self._open.add(client)
            endpoint = Endpoint(client, options)
            self._clients.connected(client, endpoint)
        except BaseException:
            self._clients.failed(resource, socket)
            raise
        self.endpoints[resource] = endpoint
        self._forget_never(resource)
        self._share(client)
        self._journal.record(Registered(resource, socket, way))
        self._tasks.spawn(self._follow(client), name=f"kubelet: stream of {resource}")

    async def disconnect(self, resource: str) -> None:
        """Disconnect the plugin that is the target of Allocate."""
        endpoint = self.endpoints.get(resource)
        if endpoint and endpoint.client:
            await self.drop(resource, endpoint.client.socket)

    async def drop(self, resource: str, socket: Path) -> None:
        """A stream of `socket` has ended, or the plugin watcher misses it."""
        dropped = self._clients.drop(resource, socket)
        if dropped is None:
            return
        dropped.endpoint.stopped = True
        if dropped.successor:
            self._promote(resource, dropped.successor)
        else:
            self._plugin_disconnected(resource)
        if client := dropped.endpoint.client:
            self._open.discard(client)
            await client.close()

    async def introduce(
        self, resource: str, socket: Path
    ) -> tuple[PluginClient, pb.DevicePluginOptions]:
        """Connect to a plugin that has registered, and ask for its options."""
        too_early = f"{resource}: it registered before it served on {socket}"
        channel = await dial(socket, refused=lambda: self._violated(too_early))
        try:
            client = PluginClient(resource, socket, channel)
            return client, await client.stub.GetDevicePluginOptions(pb.Empty())
        except BaseException:
            await channel.close()
            raise

    async def _follow(self, client: PluginClient) -> None:
        resource = client.resource
        reason = await client.listen(lambda devices: self._received(resource, devices))
        self._listening.discard(client)
        self._journal.record(StreamEnded(resource, client.socket, reason))
        await self.drop(resource, client.socket)  # kubelet closes no other connection

    def _received(self, resource: str, devices: Sequence[pb.Device]) -> None:
        if resource not in self.endpoints:
            # the resource is forgotten, and only an old stream is open: kubelet ignores its list
            return
        for text in self._devices.replace(resource, devices):
            self._violated(text)
        new = self._devices.lists[resource]
        self._journal.record(ListReceived(resource, len(new.healthy), len(new.unhealthy)))

    def _plugin_disconnected(self, resource: str) -> None:
        if endpoint := self.endpoints.get(resource):
            endpoint.stopped = True
            if devices := self._devices.lists.get(resource):
                devices.mark_unhealthy()
            self._forget_later(resource)
            self._journal.record(Disconnected(resource))

    def _promote(self, resource: str, endpoint: Endpoint) -> None:
        self.endpoints[resource] = endpoint
        if client := endpoint.client:
            self._journal.record(Promoted(resource, client.socket))

    @property
    def leaving(self) -> frozenset[str]:
        """The resources that are forgotten when their grace period ends."""
        return frozenset(self._forgetting)

    def _forget_later(self, resource: str) -> None:
        self._forget_never(resource)
        loop = asyncio.get_running_loop()
        self._forgetting[resource] = loop.call_later(self._grace, self._forget, resource)

    def _forget_never(self, resource: str) -> None:
        if timer := self._forgetting.pop(resource, None):
            timer.cancel()

    def _forget(self, resource: str) -> None:
        self._forgetting.pop(resource)
        self.endpoints.pop(resource)
        if self._devices.lists.pop(resource, None) is not None:
            self._journal.record(Forgotten(resource))

    def _share(self, new: PluginClient) -> None:
        # By inode: a link to a socket is the same plugin.
        others = {client.inode for client in self._listening if client.resource == new.resource}
        if others - {new.inode}:
            self._shared.add(new.resource)
        else:
            self._shared.discard(new.resource)
        self._listening.add(new)

    def _look_for_needless_registration(self, resource: str, socket: Path) -> None:
        if resource in self._shared:
            # the plugin cannot know whether its own end, or that of the other plugin, changes
            # anything
            return
        if inode_of(socket) in {client.inode for client in self._clients.of(resource)}:
            self._violated(f"{resource}: it registered again while its stream was open")

    def _violated(self, text: str) -> None:
        self._journal.record(Violated(text))
