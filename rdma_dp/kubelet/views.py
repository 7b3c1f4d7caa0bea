"""What kubelet and the plugins on its sockets say of themselves, as values. Pure.

`kubelet/clients` asks for them. None always means that it could not be asked; why stands beside.
Mappings are plain dicts: a snapshot writes all of it as JSON.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class SocketState(StrEnum):
    """What became of connecting to a socket."""

    ANSWERS = "answers"
    STALE = "stale"  # the file is there, and nobody listens
    SILENT = "silent"  # somebody listens, but does not answer in time
    REFUSED = "refused"  # we may not connect


@dataclass(frozen=True, slots=True)
class PluginStatus:
    """What an rdma-dp says of one resource: protos/status.proto. Times are seconds since 1970.

    `pid` is that of its own PID namespace. `trouble` is what keeps it from being registered, None
    when nothing does; `connected_at` is None when kubelet has no ListAndWatch stream open.
    `leaving` is whether the process ends.
    """

    version: str
    pid: int
    started_at: int
    resource: str
    way: str
    streams: int
    listed: int
    healthy: int
    trouble: str | None = None
    connected_at: int | None = None
    reasons: tuple[str, ...] = ()
    leaving: bool = False


@dataclass(frozen=True, slots=True)
class PluginSocket:
    """A socket that a plugin made in one of kubelet's directories.

    `ours` is whether its name is one that rdma-dp gives. `status` is None when an rdma-dp did not
    tell. `resource` and `kind` are what GetInfo says on sockets in plugins_registry ("rdma/hca",
    "DevicePlugin"); in device-plugins nobody can be asked for its resource.
    """

    path: str
    state: SocketState
    ours: bool = False
    status: PluginStatus | None = None
    resource: str | None = None
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class Holder:
    """A container that holds slots of a resource, as podresources tells it."""

    namespace: str
    pod: str
    container: str
    resource: str
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PodResources:
    """kubelet's own book: healthy slots per resource, taken or not, and who holds which."""

    allocatable: Mapping[str, int] = field(default_factory=dict)
    holders: tuple[Holder, ...] = ()


@dataclass(frozen=True, slots=True)
class KubeletView:
    """All of it, at one moment.

    `kubelet` is the state of kubelet.sock in `device_plugins`, None when there is none.
    `unreadable` has the directories that could not be listed, and why. `elsewhere` has roots of
    kubelet that were found in other places. `forbidden` are those of `unreadable` that this process
    may not list.
    """

    root: str
    device_plugins: str
    plugins_registry: str
    kubelet: SocketState | None = None
    sockets: tuple[PluginSocket, ...] = ()
    pod_resources: PodResources | None = None
    why_no_pod_resources: str | None = None
    unreadable: Mapping[str, str] = field(default_factory=dict)
    elsewhere: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()

    @property
    def statuses(self) -> tuple[PluginStatus, ...]:
        """What the rdma-dp daemons say, once of each resource of each process.

        One may have a second socket in kubelet's other directory, under the same name.
        """
        told = {each.path.rpartition("/")[2]: each.status for each in self.sockets if each.status}
        return tuple(told.values())
