"""RoCE ports with addresses in one subnet: which port answers, and which one sends?"""

from collections.abc import Iterator, Mapping, Sequence, Set
from itertools import combinations

from rdma_dp.doctor.check import Finding, check, ok, unknown, warn
from rdma_dp.doctor.facts.roce import roce_ports
from rdma_dp.host import containers
from rdma_dp.host.files import Host
from rdma_dp.host.paths import CLASS_NET
from rdma_dp.host.routes import DEFAULT, FIB_TRIE, ROUTES, Subnet, connected, further_tables
from rdma_dp.node.view import NodeView
from rdma_dp.text import counted, some

_SHOWN = 4  # names in a line of evidence
_SETTINGS = "proc/sys/net/ipv4/conf"
_DEEPEST = 4  # interfaces over an interface, such as a VLAN over a bond
_LONGEST = 30  # bits of a prefix; a longer one has no room for two ports and a peer

# What each setting must be: the value to set, and the values that do. The kernel uses the greater
# one of the interface's value and that of "all" (Documentation/networking/ip-sysctl.rst).
_WANTED = {"arp_ignore": (1, range(1, 9)), "arp_announce": (2, (2,)), "rp_filter": (2, (0, 2))}

Ports = frozenset[tuple[str, int]]


@check(
    "fabric-subnets",
    "One RoCE port per subnet, or settings for several",
    reads=f"/{ROUTES}, /{FIB_TRIE}; /{_SETTINGS}/NETDEV/{{arp_ignore,arp_announce,rp_filter}}",
    remedies=tuple(
        f"sysctl -w net/ipv4/conf/{{NETDEV,NETDEV}}/{name}={value}"
        for name, (value, _) in _WANTED.items()
    ),
)
def subnets(node: NodeView) -> Iterator[Finding]:
    """Two RoCE ports have addresses in one subnet. By default Linux answers an ARP request for
    either address on any port, so peers send to the wrong port, and it sends through the port of
    the first route. Connections then fail or time out, or one port carries all traffic.

    Give each port a subnet of its own, or route by the source address (`ip rule`), or set
    arp_ignore=1, arp_announce=2 and rp_filter=2 on these ports: then a port answers for its own
    addresses only, and packets may arrive on each of them. `sysctl -w` ends with the next boot, so
    put the settings into /etc/sysctl.d too. Only the node's own addresses are checked, and only
    IPv4.
    """
    ports = _interfaces(node)
    concerned = {hca.name for hca in node.concerned}
    every = frozenset().union(*ports.values())
    if len(every) < 2 or not any(hca in concerned for hca, _ in every):
        return
    routes = containers.large(node.host, ROUTES)
    if routes is None:
        yield unknown(f"there is no /{ROUTES}")
        return
    tables = tuple(further_tables(containers.large(node.host, FIB_TRIE) or ""))
    shared = _shared(ports, concerned, connected(routes))
    for subnet, names in shared.items():
        if not _is_source_routed(subnet, names, tables):
            yield from _judged(node.host, subnet, names)
    yield ok(
        f"{counted(len(shared), 'subnet')} with several ports, set up for that"
        if shared
        else "each RoCE port with an address has a subnet of its own"
    )


def _interfaces(node: NodeView) -> Mapping[str, Ports]:
    """The interfaces of RoCE ports and those over them, each with its ports."""
    found: dict[str, Ports] = {}
    for hca in node.inventory.hcas:
        for port in roce_ports(node.host, hca):
            for netdev in port.netdevs:
                for name in _with_uppers(node.host, netdev):
                    found[name] = found.get(name, Ports()) | {(hca.name, port.number)}
    return found


def _with_uppers(host: Host, netdev: str) -> Iterator[str]:
    names = {netdev}
    for _ in range(_DEEPEST):
        yield from names
        entries = (entry for name in names for entry in host.entries(f"{CLASS_NET}/{name}"))
        names = {entry.removeprefix("upper_") for entry in entries if entry.startswith("upper_")}


def _shared(
    ports: Mapping[str, Ports],
    concerned: Set[str],
    by_subnet: Mapping[Subnet, Sequence[str]],
) -> Mapping[Subnet, Sequence[str]]:
    """The subnets of several ports, with their interfaces. One of the ports is in a resource."""
    found = {}
    for subnet, names in by_subnet.items():
        own = [name for name in names if name in ports]
        apart = any(ports[one].isdisjoint(ports[other]) for one, other in combinations(own, 2))
        used = any(hca in concerned for name in own for hca, _ in ports[name])
        if 0 < subnet.bits <= _LONGEST and apart and used:
            found[subnet] = own
    return found


def _is_source_routed(
    subnet: Subnet, names: Sequence[str], tables: Sequence[frozenset[str]]
) -> bool:
    """Whether rules lead to a table for each interface. One of them may use the main table."""
    exact = sum(subnet.network in table for table in tables)
    any_kind = sum(bool(table & {subnet.network, DEFAULT}) for table in tables)
    return exact >= len(names) - 1 or any_kind >= len(names)


def _judged(host: Host, subnet: Subnet, names: Sequence[str]) -> Iterator[Finding]:
    wrong: dict[str, list[str]] = {}
    for setting, (_, good) in _WANTED.items():
        for name in names:
            value = _setting(host, name, setting)
            if value is None:
                yield unknown(f"/{_SETTINGS} does not show {setting} of {name}")
                return
            if value not in good:
                wrong.setdefault(setting, []).append(name)
    if wrong:
        settings = ", ".join(
            f"{setting} is {_setting(host, bad[0], setting)}" for setting, bad in wrong.items()
        )
        yield warn(
            f"have addresses in one subnet (/{subnet.bits}), but {settings}, and no rule routes by"
            " the source address",
            *(_set(setting, bad) for setting, bad in wrong.items()),
            subject=some(tuple(names), _SHOWN),
        )


def _setting(host: Host, name: str, setting: str) -> int | None:
    values = [host.read_int_or_none(f"{_SETTINGS}/{each}/{setting}") for each in ("all", name)]
    known = [value for value in values if value is not None]
    return max(known) if len(known) == len(values) else None


def _set(setting: str, names: Sequence[str]) -> str:
    each = names[0] if len(names) == 1 else f"{{{','.join(names)}}}"
    return f"sysctl -w net/ipv4/conf/{each}/{setting}={_WANTED[setting][0]}"


CHECKS = (subnets,)
