"""Events, as values: tests compare them, and people read them."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Way(StrEnum):
    """How a plugin registered with kubelet."""

    REGISTER = "device-plugins"
    WATCHER = "plugins_registry"


@dataclass(frozen=True, slots=True)
class Started:
    """kubelet runs; it has removed `removed` from its device-plugins directory."""

    removed: tuple[str, ...]

    def __str__(self) -> str:
        return f"started, removed {', '.join(self.removed) or 'no'} old sockets"


@dataclass(frozen=True, slots=True)
class Registered:
    """A plugin is connected, and the current one of its resource."""

    resource: str
    socket: Path
    way: Way

    def __str__(self) -> str:
        return f"{self.resource}: registered by {self.way}, socket {self.socket}"


@dataclass(frozen=True, slots=True)
class Refused:
    """A registration failed. `resource` is empty if its name was never known."""

    resource: str
    socket: Path
    way: Way
    reason: str

    def __str__(self) -> str:
        name = self.resource or "unknown resource"
        return f"{name}: refused by {self.way}, socket {self.socket}: {self.reason}"


@dataclass(frozen=True, slots=True)
class ListReceived:
    """A ListAndWatch message replaced the list."""

    resource: str
    healthy: int
    unhealthy: int

    def __str__(self) -> str:
        return f"{self.resource}: list of {self.healthy} healthy, {self.unhealthy} unhealthy"


@dataclass(frozen=True, slots=True)
class StreamEnded:
    """A ListAndWatch stream ended, for any reason. It may be a stream of an earlier plugin."""

    resource: str
    socket: Path
    reason: str

    def __str__(self) -> str:
        return f"{self.resource}: stream of {self.socket} ended: {self.reason}"


@dataclass(frozen=True, slots=True)
class Disconnected:
    """kubelet dropped the current plugin: no device of the resource is healthy."""

    resource: str

    def __str__(self) -> str:
        return f"{self.resource}: disconnected, all devices unhealthy"


@dataclass(frozen=True, slots=True)
class Promoted:
    """A plugin is gone, and the one on `socket` is the current one of the resource now."""

    resource: str
    socket: Path

    def __str__(self) -> str:
        return f"{self.resource}: the current plugin is the one on {self.socket} now"


@dataclass(frozen=True, slots=True)
class Forgotten:
    """The grace period is over: the node no longer has the resource."""

    resource: str

    def __str__(self) -> str:
        return f"{self.resource}: forgotten"


@dataclass(frozen=True, slots=True)
class Allocated:
    """A container was admitted with these devices."""

    resource: str
    ids: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.resource}: allocated {', '.join(self.ids)}"


@dataclass(frozen=True, slots=True)
class Violated:
    """A plugin broke the contract."""

    text: str

    def __str__(self) -> str:
        return f"VIOLATION: {self.text}"


@dataclass(frozen=True, slots=True)
class DriverRegistered:
    """A DRA driver is connected, and its socket is the newest. `version` is the service in use."""

    driver: str
    socket: Path
    version: str

    def __str__(self) -> str:
        return f"{self.driver}: registered with {self.version}, socket {self.socket}"


@dataclass(frozen=True, slots=True)
class DriverGone:
    """The connection to a socket of a DRA driver is closed, because the socket is gone."""

    driver: str
    socket: Path

    def __str__(self) -> str:
        return f"{self.driver}: deregistered, socket {self.socket}"


@dataclass(frozen=True, slots=True)
class HealthReceived:
    """A DRA driver sent the health of this many devices."""

    driver: str
    devices: int

    def __str__(self) -> str:
        return f"{self.driver}: health of {self.devices} devices"


@dataclass(frozen=True, slots=True)
class Stopped:
    """kubelet is gone; kubelet.sock stays."""

    def __str__(self) -> str:
        return "stopped"


Event = (
    Started
    | Registered
    | Refused
    | ListReceived
    | StreamEnded
    | Disconnected
    | Promoted
    | Forgotten
    | Allocated
    | DriverRegistered
    | DriverGone
    | HealthReceived
    | Violated
    | Stopped
)
