"""What one socket and one process answer, as values. Pure. views.py has those of a whole node."""

from dataclasses import dataclass
from enum import StrEnum


class SocketState(StrEnum):
    """The result of connecting to a socket."""

    ANSWERS = "answers"
    STALE = "stale"  # the file exists, but no process listens
    SILENT = "silent"  # a process listens, but does not answer in time
    REFUSED = "refused"  # this process may not connect


@dataclass(frozen=True, slots=True)
class PluginStatus:
    """The status of one resource of an rdma-dp: protos/status.proto. Times are seconds since 1970.

    `pid` is the PID in its own PID namespace. `trouble` is the reason why it is not registered, and
    None if there is none. `connected_at` is None if kubelet has no ListAndWatch stream open.
    `leaving` is whether the process is about to exit.
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
class DriverStatus:
    """The status of a DRA driver of an rdma-dp: protos/status.proto.

    `node` is None if its environment does not name the node. `trouble` is why it is not registered.
    `listed` is whether the API server has answered with its slices; `failure` is why they cannot be
    read or written. `claims` are those that are prepared, as "namespace/name". `stuck_claims` are
    those that kubelet has forgotten and that cannot be released, each with the reason.
    """

    version: str
    driver: str
    registered: bool
    listed: bool
    slices: int
    devices: int
    current: bool
    directory: str
    directory_is_kept: bool
    node: str | None = None
    trouble: str | None = None
    failure: str | None = None
    lacking_gates: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()
    stuck_claims: tuple[str, ...] = ()
