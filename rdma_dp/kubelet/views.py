"""The state of kubelet and of the plugins on its sockets, as values. Pure.

`kubelet/clients` makes them. None always means that there was no answer; another field has the
reason. Mappings are plain dicts, because a snapshot writes everything as JSON.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from rdma_dp.kubelet.statuses import DriverStatus, PluginStatus, SocketState

# What GetInfo answers for a DRA driver (k8s.io/kubelet pkg/apis/pluginregistration/v1).
DRA_PLUGIN = "DRAPlugin"


@dataclass(frozen=True, slots=True)
class PluginSocket:
    """A socket that a plugin made in one of kubelet's directories.

    `ours` is whether its name is one that rdma-dp gives. `status` is None if no rdma-dp answered.
    `resource` and `kind` are the answer of GetInfo on sockets in plugins_registry ("rdma/hca",
    "DevicePlugin"; the name of a driver, "DRAPlugin"). Plugins in device-plugins have no call that
    returns their resource. `driver` is the status of a DRA driver, None if it is not rdma-dp's.
    """

    path: str
    state: SocketState
    ours: bool = False
    status: PluginStatus | None = None
    resource: str | None = None
    kind: str | None = None
    driver: DriverStatus | None = None


@dataclass(frozen=True, slots=True)
class Holder:
    """A container that holds slots of a resource, from kubelet's pod-resources API."""

    namespace: str
    pod: str
    container: str
    resource: str
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HeldClaim:
    """A claim of a container, with a driver that has prepared a device of it."""

    namespace: str
    pod: str
    container: str
    claim: str
    driver: str


@dataclass(frozen=True, slots=True)
class PodResources:
    """kubelet's own record: healthy slots per resource, in use or free, and their holders.

    `claims` is None in a snapshot of an rdma-dp that did not read them.
    """

    allocatable: Mapping[str, int] = field(default_factory=dict)
    holders: tuple[Holder, ...] = ()
    claims: tuple[HeldClaim, ...] | None = None


@dataclass(frozen=True, slots=True)
class KubeletView:
    """The state of kubelet and of all plugins at one moment.

    `kubelet` is the state of kubelet.sock in `device_plugins`, and None if there is no such socket.
    `unreadable` maps directories that could not be listed to the reason. `forbidden` are those of
    them for which the reason is missing permission. `elsewhere` has other root directories in which
    a kubelet answers.
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
        """The statuses of the rdma-dp daemons: one for each resource of each process.

        A process can have a second socket in kubelet's other directory, under the same name.
        """
        found = {each.path.rpartition("/")[2]: each.status for each in self.sockets if each.status}
        return tuple(found.values())

    @property
    def drivers(self) -> tuple[DriverStatus, ...]:
        """The statuses of the DRA drivers of rdma-dp daemons; two during a rolling update."""
        return tuple(each.driver for each in self.sockets if each.driver is not None)
