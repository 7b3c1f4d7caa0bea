"""kubelet's plugin watcher: finds sockets below plugins_registry and calls GetInfo on them.

Each socket has a worker that registers or removes the plugin until the state fits the directory (in
kubelet: pluginwatcher, reconciler and operationexecutor, which check once a second; this one acts
at once).
"""

import asyncio
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import grpc
from asyncinotify import Inotify, Mask

from rdma_dp.kubelet.api import pluginregistration_pb2 as pb
from rdma_dp.kubelet.api import pluginregistration_pb2_grpc as rpc
from simulator.kubelet.client import DialError, dial
from simulator.kubelet.dra_plugins import DRA_PLUGIN, DriverTable
from simulator.kubelet.events import Refused, Way
from simulator.kubelet.faults import Faults
from simulator.kubelet.generations import AlreadyConnectedError
from simulator.kubelet.journal import Journal
from simulator.kubelet.manager import DeviceManager
from simulator.kubelet.names import resource_name_fault
from simulator.kubelet.tasks import TaskSet

# Seconds; kubelet, operationexecutor/operation_generator.go.
GET_INFO_TIMEOUT = 1.0
NOTIFY_TIMEOUT = 5.0
# Seconds; kubelet, pkg/util/goroutinemap/exponentialbackoff.
FIRST_RETRY = 0.5
LONGEST_RETRY = 122.0

PLUGIN_TYPE = "DevicePlugin"

# kubelet reacts to the events that its inotify library calls Create and Remove. A socket that is
# renamed away causes neither.
_APPEARED = Mask.CREATE | Mask.MOVED_TO
_WATCHED = _APPEARED | Mask.DELETE


def next_pause(pause: float) -> float:
    """The seconds until the next attempt, if this one came `pause` seconds after its own."""
    return min(2 * pause, LONGEST_RETRY)


class _PluginFailure(Exception):  # noqa: N818 - it never leaves this file
    """Why a plugin could not be registered. The watcher tries again."""

    def __init__(self, reason: str, resource: str = "") -> None:
        super().__init__(reason)
        self.resource = resource


@dataclass(frozen=True, slots=True, eq=False)
class _Sighting:
    """A socket that was made. A new one under the same name is another sighting."""

    inode: int


@dataclass(frozen=True, slots=True)
class _Registered:
    """A plugin that is registered, as GetInfo introduced it. A driver's name is its resource."""

    sighting: _Sighting
    type: str
    resource: str
    socket: Path
    versions: Sequence[str]


class PluginWatcher:
    """Watches `directory` from `start` to `stop`."""

    def __init__(
        self,
        directory: Path,
        manager: DeviceManager,
        journal: Journal,
        faults: Faults,
        drivers: DriverTable,
    ) -> None:
        self._directory = directory
        self._drivers = drivers
        self._manager = manager
        self._journal = journal
        self._faults = faults
        self._tasks = TaskSet()
        self._inotify = Inotify()
        self._there: dict[Path, _Sighting] = {}
        self._registered: dict[Path, _Registered] = {}
        self._working: set[Path] = set()

    def start(self) -> None:
        """Take the sockets that exist, then follow the changes."""
        self._traverse(self._directory)
        self._tasks.spawn(self._watch(), name="kubelet: plugin watcher")

    async def stop(self) -> None:
        """Forget everything. Connections to plugins belong to the device manager."""
        try:
            await self._tasks.cancel()
        finally:
            self._inotify.close()

    async def _watch(self) -> None:
        async for event in self._inotify:
            if event.path is None:
                continue
            if event.mask & _APPEARED:
                self._appeared(event.path)
            elif event.mask & Mask.DELETE:
                self._there.pop(event.path, None)
                self._work_on(event.path)

    def _traverse(self, directory: Path) -> None:
        # before the directory is listed, so that no change is missed
        self._inotify.add_watch(directory, _WATCHED)
        for path in sorted(directory.iterdir()):
            if path.is_dir() and not path.is_symlink():
                self._traverse(path)
            else:
                self._appeared(path)

    def _appeared(self, path: Path) -> None:
        if path.name.startswith("."):
            return
        try:
            status = path.stat()
        except FileNotFoundError:
            return
        if stat.S_ISDIR(status.st_mode):
            self._traverse(path)
        elif stat.S_ISSOCK(status.st_mode):
            known = self._there.get(path)
            # otherwise it was listed and reported
            if known is None or known.inode != status.st_ino:
                self._there[path] = _Sighting(status.st_ino)
                self._work_on(path)

    def _work_on(self, path: Path) -> None:
        if path not in self._working:
            self._working.add(path)
            self._tasks.spawn(self._work(path), name=f"kubelet: plugin at {path.name}")

    async def _work(self, path: Path) -> None:
        """Do one step after the other until the registration fits the directory."""
        pause = FIRST_RETRY
        while not self._settled(path):
            try:
                await self._step(path)
                pause = FIRST_RETRY
            except _PluginFailure as failure:
                refused = Refused(failure.resource, path, Way.WATCHER, str(failure))
                self._journal.record(refused)
                await asyncio.sleep(pause)
                pause = next_pause(pause)
        self._working.discard(path)

    def _settled(self, path: Path) -> bool:
        registered = self._registered.get(path)
        return self._there.get(path) is (registered.sighting if registered else None)

    async def _step(self, path: Path) -> None:
        if registered := self._registered.pop(path, None):
            await self._drop(registered)
        else:
            await self._register(path, self._there[path])

    async def _register(self, path: Path, sighting: _Sighting) -> None:
        try:
            channel = await dial(path)
        except DialError as error:
            raise _PluginFailure(str(error)) from error
        try:
            await self._handshake(path, sighting, rpc.RegistrationStub(channel))
        finally:
            await channel.close()

    async def _handshake(self, path: Path, sighting: _Sighting, stub: rpc.RegistrationStub) -> None:
        try:
            info = await stub.GetInfo(pb.InfoRequest(), timeout=GET_INFO_TIMEOUT)
        except grpc.aio.AioRpcError as error:
            raise _PluginFailure(f"GetInfo: {error.details()}") from error
        socket = Path(info.endpoint) if info.endpoint else path
        plugin = _Registered(sighting, info.type, info.name, socket, info.supported_versions)
        if reason := self._refusal(plugin):
            await self._refuse(stub, info.name, reason)
        self._registered[path] = plugin
        try:
            await self._connect(plugin, stub)
        except _PluginFailure:
            self._registered.pop(path, None)
            raise

    def _refusal(self, plugin: _Registered) -> str | None:
        if plugin.type == DRA_PLUGIN:
            return self._drivers.refusal(plugin.resource, plugin.socket, plugin.versions)
        if plugin.type != PLUGIN_TYPE:
            return f"no handler registered for plugin type: {plugin.type}"
        if self._faults.version not in plugin.versions:
            return (
                f"manager version, {self._faults.version}, is not among plugin supported "
                f"versions {list(plugin.versions)}"
            )
        if fault := resource_name_fault(plugin.resource):
            return f'the ResourceName "{plugin.resource}" is invalid: {fault}'
        return None

    async def _connect(self, plugin: _Registered, stub: rpc.RegistrationStub) -> None:
        try:
            await self._dial(plugin)
        except (DialError, AlreadyConnectedError, grpc.aio.AioRpcError) as error:
            reason = error.details() if isinstance(error, grpc.aio.AioRpcError) else str(error)
            await self._refuse(stub, plugin.resource, f"plugin registration failed: {reason}")
        try:
            await self._notify(stub, pb.RegistrationStatus(plugin_registered=True))
        except grpc.aio.AioRpcError as error:
            await self._drop(plugin)
            reason = f"NotifyRegistrationStatus: {error.details()}"
            raise _PluginFailure(reason, plugin.resource) from error

    async def _dial(self, plugin: _Registered) -> None:
        if plugin.type == DRA_PLUGIN:
            await self._drivers.register(plugin.resource, plugin.socket, plugin.versions)
        else:
            await self._manager.connect(plugin.resource, plugin.socket, Way.WATCHER)

    async def _drop(self, plugin: _Registered) -> None:
        if plugin.type == DRA_PLUGIN:
            await self._drivers.remove(plugin.resource, plugin.socket)
        else:
            await self._manager.drop(plugin.resource, plugin.socket)

    async def _refuse(self, stub: rpc.RegistrationStub, resource: str, reason: str) -> NoReturn:
        try:
            await self._notify(stub, pb.RegistrationStatus(error=reason))
        except grpc.aio.AioRpcError as error:
            reason = f"{reason}; it could not be told: {error.details()}"
        raise _PluginFailure(reason, resource)

    async def _notify(self, stub: rpc.RegistrationStub, status: pb.RegistrationStatus) -> None:
        if not self._faults.skip_notify:
            await stub.NotifyRegistrationStatus(status, timeout=NOTIFY_TIMEOUT)
