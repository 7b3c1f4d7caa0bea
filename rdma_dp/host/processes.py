"""Parse the files of processes below /proc. Pure: each parser takes a text and never fails.

None means that the text does not have the value. The formats are in proc(5).
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

Address = IPv4Address | IPv6Address

_IPC_LOCK = 14  # CAP_IPC_LOCK, kernel include/uapi/linux/capability.h
_KERNEL_THREAD = 0x00200000  # PF_KTHREAD, kernel include/linux/sched.h

# The UID of a pod in the names of cgroups (kubelet pkg/kubelet/cm/cgroup_manager_linux.go). systemd
# replaces dashes by underscores. The UID of a static pod is a hash without dashes.
_POD = re.compile(
    r"pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})(?![0-9a-f])"
)
# CRI-O's conmon has its own cgroup with the ID of the container (crio-conmon-ID.scope). It is not a
# process of the container.
_CONTAINER = re.compile(r"(?<!conmon-)[0-9a-f]{64}")

# kubelet names log files POD_NAMESPACE_CONTAINER-ID.log (pkg/kubelet/kuberuntime/legacy.go).
CONTAINER_LOG = re.compile(r"([^_]+)_([^_]+)_([^_]+)-([0-9a-f]{64})\.log")

# Netdevs that the kernel creates in every net namespace when their modules are loaded.
_FALLBACK = frozenset(
    [
        "lo",
        "tunl0",
        "gre0",
        "gretap0",
        "erspan0",
        "ip_vti0",
        "ip6_vti0",
        "sit0",
        "ip6tnl0",
        "ip6gre0",
    ]
)


@dataclass(frozen=True, slots=True)
class Stat:
    """Fields of proc/PID/stat. `started` is in clock ticks since boot."""

    command: str
    kernel_thread: bool
    started: int


def stat(text: str) -> Stat | None:
    """Parse proc/PID/stat. A command can contain blanks and brackets; it ends at the last one."""
    _, _, rest = text.partition("(")
    command, bracket, tail = rest.rpartition(")")
    numbers = tail.split()  # from field 3, the state
    if not bracket or len(numbers) < 20:
        return None
    flags, started = _int(numbers[6]), _int(numbers[19])
    if flags is None or started is None:
        return None
    return Stat(command, bool(flags & _KERNEL_THREAD), started)


@dataclass(frozen=True, slots=True)
class Membership:
    """The pod and the container of a process. `container` is "" when the cgroup has no ID."""

    pod: str
    container: str


def membership(cgroup: str) -> Membership | None:
    """Parse proc/PID/cgroup of cgroup v1 or v2. None for a process outside of pods."""
    for line in cgroup.splitlines():
        path = line.split(":", 2)[-1]
        if found := _POD.search(path):
            container = _CONTAINER.search(path, found.end())
            return Membership(found[1].replace("_", "-"), container[0] if container else "")
    return None


def locked_memory(limits: str) -> int | None:
    """The soft limit of "Max locked memory" in bytes, -1 for unlimited."""
    for line in limits.splitlines():
        if line.startswith("Max locked memory"):
            words = line.removeprefix("Max locked memory").split()
            if words:
                return -1 if words[0] == "unlimited" else _int(words[0])
    return None


def may_lock_memory(status: str) -> bool | None:
    """Whether CapEff of proc/PID/status has CAP_IPC_LOCK."""
    capabilities = _int(_field(status, "CapEff"), 16)
    return None if capabilities is None else bool(capabilities >> _IPC_LOCK & 1)


def is_first(status: str) -> bool:
    """Whether a process is process 1 of its PID namespace."""
    return _field(status, "NSpid").split()[-1:] == ["1"]


def uptime(text: str) -> float | None:
    """Seconds since boot, from proc/uptime."""
    try:
        return float(text.split(maxsplit=1)[0])
    except (IndexError, ValueError):
        return None


def interfaces(net_dev: str) -> tuple[str, ...]:
    """The netdevs of proc/PID/net/dev, without those that the kernel creates by itself."""
    named = (line.partition(":") for line in net_dev.splitlines())
    names = (name.strip() for name, colon, _ in named if colon)
    return tuple(name for name in names if name and name not in _FALLBACK)


def addresses(fib_trie: str, if_inet6: str) -> frozenset[Address]:
    """The addresses of a net namespace, without those of lo."""
    return frozenset({*_ipv4(fib_trie), *_ipv6(if_inet6)})


def _ipv4(fib_trie: str) -> set[IPv4Address]:
    """The leaves ("|-- a.b.c.d") that are addresses of the host ("/32 host LOCAL")."""
    found: set[IPv4Address] = set()
    leaf: IPv4Address | None = None
    for line in fib_trie.splitlines():
        words = line.split()
        if words[:1] == ["|--"] and len(words) > 1:
            leaf = _address4(words[1])
        elif words[:3] == ["/32", "host", "LOCAL"] and leaf is not None and not leaf.is_loopback:
            found.add(leaf)
    return found


def _address4(text: str) -> IPv4Address | None:
    try:
        return IPv4Address(text)
    except ValueError:
        return None


def _ipv6(if_inet6: str) -> set[IPv6Address]:
    rows = (line.split() for line in if_inet6.splitlines())
    digits = (row[0] for row in rows if len(row) == 6 and row[5] != "lo")
    return {IPv6Address(int(each, 16)) for each in digits if re.fullmatch("[0-9a-f]{32}", each)}


def gid_address(gid: str) -> Address | None:
    """The address of a GID; ::ffff:a.b.c.d is an IPv4 address. None for an empty entry."""
    try:
        address = IPv6Address(gid)
    except ValueError:
        return None
    return None if not int(address) else address.ipv4_mapped or address


def root_directory(cmdline: str) -> str | None:
    """The value of kubelet's --root-dir in a command line whose words are separated by NULs."""
    words = cmdline.split("\0")
    for word, after in zip(words, [*words[1:], ""], strict=True):
        name, equals, value = word.partition("=")
        if name in ("--root-dir", "-root-dir"):
            found = value if equals else after
            return found if found.startswith("/") else None
    return None


def _field(status: str, name: str) -> str:
    for line in status.splitlines():
        if line.startswith(f"{name}:"):
            return line.partition(":")[2].strip()
    return ""


def _int(text: str, base: int = 10) -> int | None:
    try:
        return int(text, base)
    except ValueError:
        return None
