"""kubelet's device manager: the connected plugins and their lists.

Its peculiarities are those of kubelet (pkg/kubelet/cm/devicemanager, plugin/v1beta1/handler.go).
Clients and endpoints are stored under the resource's name only. So the end of any stream of that
name, or a failed registration under it, affects the current client.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rdma_dp.kubelet.api import deviceplugin_pb2 as pb
from simulator.kubelet.client import PluginClient, dial, inode_of
from simulator.kubelet.devices import DeviceTable
from simulator.kubelet.events import (
    Disconnected,
    Forgotten,
    ListReceived,
    Registered,
    StreamEnded,
    Violated,
    Way,
)
from simulator.kubelet.journal import Journal
from simulator.kubelet.tasks import TaskSet

GRACE = (
    300.0  # seconds until a resource without a plugin is forgotten; kubelet, devicemanager/types.go
)


@dataclass(slots=True)
class Endpoint:
    """The target of Allocate for a resource. `client` is None for one from before a restart."""

    client: PluginClient | None = None
    options: pb.DevicePluginOptions | None = None
    stopped: bool = False


class DeviceManager:
    """Lives from `start` to `stop`. The device table belongs to the caller and lives longer."""

    def __init__(self, devices: DeviceTable, journal: Journal, grace: float) -> None:
        self.endpoints: dict[str, Endpoint] = {}
        self._devices = devices
        self._journal = journal
        self._grace = grace
        self._tasks = TaskSet()
        self._current: dict[str, PluginClient] = {}
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
        """Dial `socket`, ask for the options, make it the current client and read its stream.

        Raises DialError or grpc.aio.AioRpcError.
        """
        self._look_for_needless_registration(resource, socket)
        try:
            client, options = await self.introduce(resource, socket)
        except BaseException:
            self._current.pop(resource, None)  # not necessarily the one that failed, as in kubelet
            raise
        self._current[resource] = client
        self._open.add(client)
        self.endpoints[resource] = Endpoint(client, options)
        self._forget_never(resource)
        self._share(client)
        self._journal.record(Registered(resource, socket, way))
        self._tasks.spawn(self._follow(client), name=f"kubelet: stream of {resource}")

    async def disconnect(self, resource: str) -> None:
        """Disconnect the current client of that name, whichever plugin it is."""
        if client := self._current.pop(resource, None):
            self._open.discard(client)
            self._plugin_disconnected(resource)
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
        await self.disconnect(resource)  # kubelet closes no other connection

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
        client = self._current.get(resource)
        if resource in self._shared:
            # the plugin cannot know whether its own end, or that of the other plugin, changes
            # anything
            return
        if client and client.inode == inode_of(socket):
            self._violated(f"{resource}: it registered again while its stream was open")

    def _violated(self, text: str) -> None:
        self._journal.record(Violated(text))
