"""The clients that kubelet keeps of its device plugins: what 1.37 does differently from 1.36.

Everything else of the device manager is the same in both, see `manager`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rdma_dp.kubelet.api import deviceplugin_pb2 as pb
from simulator.kubelet.client import PluginClient


class AlreadyConnectedError(Exception):
    """kubelet has a client for this path of the resource."""

    def __init__(self, socket: Path) -> None:
        super().__init__(f"device plugin already connected: {socket}")


@dataclass(slots=True)
class Endpoint:
    """The target of Allocate for a resource. `client` is None for one from before a restart."""

    client: PluginClient | None = None
    options: pb.DevicePluginOptions | None = None
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class Dropped:
    """An endpoint that kubelet drops, and the one that takes its place, if there is one."""

    endpoint: Endpoint
    successor: Endpoint | None = None


class Clients(ABC):
    """The clients of all resources, from a start of kubelet to its end."""

    @abstractmethod
    def begin(self, resource: str, socket: Path) -> None:
        """A registration begins: kubelet is about to dial `socket`."""

    @abstractmethod
    def failed(self, resource: str, socket: Path) -> None:
        """That registration has failed."""

    @abstractmethod
    def connected(self, client: PluginClient, endpoint: Endpoint) -> None:
        """The plugin has answered. Raises AlreadyConnectedError."""

    @abstractmethod
    def of(self, resource: str) -> Iterable[PluginClient]:
        """The clients of a resource whose end drops an endpoint."""

    @abstractmethod
    def drop(self, resource: str, socket: Path) -> Dropped | None:
        """A stream of `socket` has ended, or the plugin watcher misses it.

        None if that changes nothing.
        """


class ByResource(Clients):
    """kubelet until 1.36: one client of each resource, the one that registered last.

    The end of any stream of the resource drops it, and a failed registration forgets it
    (pkg/kubelet/cm/devicemanager/plugin/v1beta1/handler.go: connectClient, runClient).
    """

    def __init__(self) -> None:
        self._current: dict[str, tuple[PluginClient, Endpoint]] = {}

    def begin(self, resource: str, socket: Path) -> None:
        """Nothing yet."""

    def failed(self, resource: str, socket: Path) -> None:  # noqa: ARG002 - the generation's
        """Not necessarily the client that failed, as in kubelet."""
        self._current.pop(resource, None)

    def connected(self, client: PluginClient, endpoint: Endpoint) -> None:
        """The newest one is the current one."""
        self._current[client.resource] = client, endpoint

    def of(self, resource: str) -> Iterable[PluginClient]:
        """The current one."""
        return [self._current[resource][0]] if resource in self._current else []

    def drop(self, resource: str, socket: Path) -> Dropped | None:  # noqa: ARG002 - as above
        """The current one, whichever plugin it is."""
        current = self._current.pop(resource, None)
        return Dropped(current[1]) if current else None


class ByPath(Clients):
    """kubelet from 1.37 on: one client of each socket path of a resource.

    The list of clients and the store of endpoints are two records (handler.go: connectClient,
    runClient; pkg/kubelet/cm/devicemanager/manager.go: PluginConnected, PluginDisconnected). A
    registration that fails takes its path out of the list only. So the end of a path that was
    refused because it is connected changes nothing, and its endpoint stays in the store.
    """

    def __init__(self) -> None:
        self._listed: set[tuple[str, Path]] = set()
        self._store: dict[str, dict[Path, Endpoint]] = {}

    def begin(self, resource: str, socket: Path) -> None:
        """kubelet lists the path before it dials."""
        self._listed.add((resource, socket))

    def failed(self, resource: str, socket: Path) -> None:
        """As in kubelet, an older client of this path is not listed any more either."""
        self._listed.discard((resource, socket))

    def connected(self, client: PluginClient, endpoint: Endpoint) -> None:
        """Beside those of the other paths."""
        store = self._store.setdefault(client.resource, {})
        if client.socket in store:
            raise AlreadyConnectedError(client.socket)
        store[client.socket] = endpoint

    def of(self, resource: str) -> Iterable[PluginClient]:
        """Those of all paths that are listed."""
        store = self._store.get(resource, {})
        listed = [each for path, each in store.items() if (resource, path) in self._listed]
        return [endpoint.client for endpoint in listed if endpoint.client]

    def drop(self, resource: str, socket: Path) -> Dropped | None:
        """The client of this path. In kubelet any other one succeeds it, here the oldest."""
        store = self._store.get(resource, {})
        if (resource, socket) not in self._listed:
            return None
        self._listed.remove((resource, socket))
        endpoint = store.pop(socket, None)
        return Dropped(endpoint, next(iter(store.values()), None)) if endpoint else None
