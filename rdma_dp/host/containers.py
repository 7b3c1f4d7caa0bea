"""The running containers of a node, found in /proc.

Reads no private data of a process: no command line and no content of its files, and of its
environment only the variables of rdma_dp/host/environments.py.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rdma_dp.host import processes
from rdma_dp.host.environments import LARGEST, variables
from rdma_dp.host.files import Host, HostError
from rdma_dp.host.processes import CONTAINER_LOG, Membership

_LOGS = "var/log/containers"
_LOGS_OF_THE_NODE = f"proc/1/root/{_LOGS}"  # from a container that shares the node's processes

_LARGE = 1 << 20  # bytes; a table of a net namespace with thousands of addresses
_PROCESSES = 64  # of a container whose environments are read; workers inherit that of their rank
_TICKS = 100  # USER_HZ, the unit of times in proc(5): 100 on all architectures with HCAs


@dataclass(frozen=True, slots=True)
class Name:
    """The name of a container in Kubernetes."""

    namespace: str
    pod: str
    container: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.pod} {self.container}"


@dataclass(frozen=True, slots=True)
class Container:
    """The processes of a container. `main` is process 1 of its PID namespace, else the oldest."""

    of: Membership
    main: int
    pids: tuple[int, ...]


def sees_all_processes(host: Host) -> bool:
    """Whether /proc is that of the node. Process 2 is then a kernel thread (kernel init/main.c),
    and kernel threads are only in the initial PID namespace.
    """
    second = processes.stat(host.read_or_none("proc/2/stat") or "")
    return second is not None and second.kernel_thread


def running(host: Host) -> tuple[Container, ...]:
    """All containers of pods that have a process."""
    found: dict[Membership, list[int]] = {}
    for pid in host.entries("proc"):
        if pid.isdecimal() and (of := membership(host, int(pid))):
            found.setdefault(of, []).append(int(pid))
    return tuple(Container(of, _main(host, pids), tuple(pids)) for of, pids in found.items())


def membership(host: Host, pid: int) -> Membership | None:
    """The container that a process or a thread belongs to."""
    return processes.membership(host.read_or_none(f"proc/{pid}/cgroup") or "")


def _main(host: Host, pids: list[int]) -> int:
    firsts = (pid for pid in pids if processes.is_first(status(host, pid)))
    return next(firsts, min(pids, key=lambda pid: _started(host, pid)))


def _started(host: Host, pid: int) -> int:
    found = processes.stat(host.read_or_none(f"proc/{pid}/stat") or "")
    return found.started if found else 1 << 62


def names(host: Host) -> Mapping[str, Name]:
    """The names of containers by their ids, from the names of their logs. Raises HostError.

    A container without the node's directory of logs reads it through process 1, which needs
    CAP_SYS_PTRACE.
    """
    entries = host.entries(_LOGS) or host.entries(_LOGS_OF_THE_NODE)
    logs = filter(None, map(CONTAINER_LOG.fullmatch, entries))
    return {log[4]: Name(log[2], log[1], log[3]) for log in logs}


def age(host: Host, pid: int) -> float | None:
    """For how many seconds a process has been running; None if /proc does not show it."""
    found = processes.stat(host.read_or_none(f"proc/{pid}/stat") or "")
    now = processes.uptime(host.read_or_none("proc/uptime") or "")
    return None if found is None or now is None else now - found.started / _TICKS


def status(host: Host, pid: int) -> str:
    """The content of proc/PID/status."""
    return host.read_or_none(f"proc/{pid}/status") or ""


def large(host: Host, path: str) -> str | None:
    """A file of at most 1 MiB. Raises HostError."""
    data = host.read_bytes(path, _LARGE)
    return None if data is None else data.decode("utf-8", "replace")


def uverbs(host: Host, pid: int) -> Iterator[str]:
    """The names of the uverbs nodes in the /dev of a process. Raises HostError."""
    entries = host.entries(f"proc/{pid}/root/dev/infiniband")
    return (name for name in entries if name.startswith("uverbs"))


def device_names(host: Host, pid: int) -> frozenset[str]:
    """The names in the /dev of a process. Raises HostError."""
    return frozenset(host.entries(f"proc/{pid}/root/dev"))


def environments(host: Host, container: Container) -> tuple[Mapping[str, str], ...] | None:
    """The different environments of a container's processes; None if none can be read."""
    pids = (container.main, *(pid for pid in container.pids if pid != container.main))
    read = [_environment(host, pid) for pid in pids[:_PROCESSES]]
    known = [each for each in read if each is not None]
    if not known:
        return None
    return tuple({tuple(sorted(each.items())): each for each in known}.values())


def _environment(host: Host, pid: int) -> Mapping[str, str] | None:
    try:
        data = host.read_bytes(f"proc/{pid}/environ", LARGEST)
    except HostError:
        return None
    return None if data is None else variables(data)


def shares_namespace(host: Host, pid: int, kind: str) -> bool:
    """Whether a process is in the node's own namespace ("net", "user"). Raises HostError."""
    own = host.link_name(f"proc/{pid}/ns/{kind}")
    return own is not None and own == host.link_name(f"proc/1/ns/{kind}")
