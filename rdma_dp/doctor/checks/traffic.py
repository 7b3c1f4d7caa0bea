"""Flow control of RoCE traffic (PFC, ECN), and counters of errors and congestion."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rdma_dp.doctor.check import Finding, check, ok, unknown, warn
from rdma_dp.doctor.facts.link_commands import counters_inspection, flow_control_commands
from rdma_dp.doctor.facts.roce import roce_ports
from rdma_dp.host.files import Host
from rdma_dp.host.paths import CLASS_INFINIBAND, CLASS_NET, RDMA_CM_SETTINGS
from rdma_dp.inventory.counter_meanings import Kind, kind_of
from rdma_dp.inventory.hardware import Hca, Port
from rdma_dp.node.counters import Counter, Growth
from rdma_dp.node.view import NodeView
from rdma_dp.text import counted, some

_SHOWN = 4  # names in a line of evidence
_PRIORITIES = range(8)  # IEEE 802.1Q


@check(
    "fabric-qos",
    "The same PFC and ECN on all ports of a resource",
    reads="MLNX_OFED's /sys/class/net/NETDEV/qos and ecn, /sys/class/infiniband/HCA/tc;"
    " /sys/kernel/config/rdma_cm",
    remedies=(
        "mlnx_qos -i NETDEV",
        "dcb pfc show dev NETDEV",
        "echo 1 > /sys/class/net/NETDEV/ecn/roce_np/enable/PRIORITY",
    ),
)
def qos(node: NodeView) -> Iterator[Finding]:
    """RoCE needs a fabric that loses few packets. That takes priority flow control (PFC), or
    congestion control by ECN marks, with the same settings on each port and on the switches. The
    right settings depend on the fabric. So the check warns if ports of one resource differ, or if
    ECN is off on every priority.

    The kernel shows these settings only through netlink. MLNX_OFED shows them in /sys too. Without
    it they are unknown; the suggested commands show them.
    """
    found = {name: each for hca in node.concerned for name, each in _settings(node.host, hca)}
    netdevs = _roce_netdevs(node)
    for name, each in found.items():
        for point in each.without_ecn:
            command = f"echo 1 > /{CLASS_NET}/{name}/ecn/{point}/enable/3"
            yield warn(f"ECN is off on every priority ({point})", command, subject=name)
    yield from _differing(node, found)
    unseen = [name for name in netdevs if name not in found]
    if unseen:
        yield unknown(
            f"/sys does not show PFC and ECN of {some(tuple(unseen), _SHOWN)}",
            *flow_control_commands(node.concerned, unseen[0]),
        )
    if found:
        first = next(iter(found))
        yield ok(f"{counted(len(found), 'netdev')} of RoCE ports; {first}: {found[first]}")


@dataclass(frozen=True, slots=True)
class _Settings:
    """The settings of one netdev in /sys, each with the name of its file."""

    values: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in self.values)

    @property
    def without_ecn(self) -> tuple[str, ...]:
        """The roles with ECN off on each priority: np reports marks, rp slows down."""
        return tuple(name for name, value in self.values if value and not value.strip("0"))


def _roce_netdevs(node: NodeView) -> tuple[str, ...]:
    names = (
        name
        for hca in node.concerned
        for port in roce_ports(node.host, hca)
        for name in port.netdevs
    )
    return tuple(dict.fromkeys(names))


def _settings(host: Host, hca: Hca) -> Iterator[tuple[str, _Settings]]:
    for port in roce_ports(host, hca):
        for name in port.netdevs:
            values = (*_of_netdev(host, name), *_of_port(host, hca, port))
            if values:
                yield name, _Settings(values)


def _of_netdev(host: Host, name: str) -> Iterator[tuple[str, str]]:
    directory = f"{CLASS_NET}/{name}"
    for point in ("roce_np", "roce_rp"):
        enabled = [host.read_or_none(f"{directory}/ecn/{point}/enable/{p}") for p in _PRIORITIES]
        if None not in enabled:
            yield point, "".join((each or "?")[:1] for each in enabled)
    for file in ("pfc", "trust"):
        value = host.read_or_none(f"{directory}/qos/{file}")
        if value:
            yield file, _line(value)


def _of_port(host: Host, hca: Hca, port: Port) -> Iterator[tuple[str, str]]:
    paths = {
        "traffic_class": f"{CLASS_INFINIBAND}/{hca.name}/tc/{port.number}/traffic_class",
        "default_roce_tos": f"{RDMA_CM_SETTINGS}/{hca.name}/ports/{port.number}/default_roce_tos",
    }
    for file, path in paths.items():
        value = host.read_or_none(path)
        if value:
            yield file, _line(value)


def _line(value: str) -> str:
    return " ".join(value.split())[:60]


def _differing(node: NodeView, found: Mapping[str, _Settings]) -> Iterator[Finding]:
    for pool in node.pools:
        alike: dict[_Settings, list[str]] = defaultdict(list)
        for name in dict.fromkeys(n for h in pool.hcas for p in h.ports for n in p.netdevs):
            if name in found:
                alike[found[name]].append(name)
        if len(alike) > 1:
            each = (f"{some(tuple(names), _SHOWN)}: {what}" for what, names in alike.items())
            yield warn(
                f"its netdevs differ: {'; '.join(each)}",
                *(next(flow_control_commands(pool.hcas, names[0])) for names in alike.values()),
                subject=pool.resource.full_name,
            )


@check(
    "fabric-counters",
    "Error counters that do not grow",
    reads="/sys/class/infiniband/HCA/ports/N/counters, hw_counters: twice, with --counters",
    remedies=(
        "rdma-dp doctor --counters 10",
        "mlxlink -d HCA -c",
        "ethtool -S NETDEV",
        "ibstat HCA",
    ),
)
def counters(node: NodeView) -> Iterator[Finding]:
    """Counters of errors, drops and retransmitted packets that grow between two readings: a damaged
    cable, a fabric that loses packets, or a peer that is not ready. Growing counters of congestion
    (marks, waiting) are shown without a warning: they mean that congestion control works.

    Each reading is a command to the adapter's firmware, so the counters are read only with
    --counters, whose value is the seconds between the two readings. Without it they are unknown.
    """
    growth = node.growth
    if not node.concerned:
        return
    if growth is None:
        yield unknown("not read without --counters", "rdma-dp doctor --counters 10")
    elif not growth.live:
        yield unknown("the counters of a captured host do not change: run it on the node")
    elif not growth.readable:
        yield unknown("no counter can be read: some adapters have none, others need root")
    else:
        yield from _grown(node, growth)
        congestion = _listed(
            {c: by for c, by in growth.by.items() if kind_of(c[2]) is Kind.CONGESTION}
        )
        yield ok(
            f"{growth.readable} counters, no error grew within {growth.seconds:g} s"
            + (f"; congestion: {congestion}" if congestion else "")
        )


def _grown(node: NodeView, growth: Growth) -> Iterator[Finding]:
    hcas: dict[tuple[str, int], dict[Counter, int]] = defaultdict(dict)
    for counter, more in growth.by.items():
        if kind_of(counter[2]) is Kind.ERROR:
            hcas[counter[:2]][counter] = more
    ports = {(hca.name, port.number): (hca, port) for hca in node.concerned for port in hca.ports}
    for key, grown in hcas.items():
        hca, port = ports[key]
        yield warn(
            f"port {port.number} within {growth.seconds:g} s: {_listed(grown)}",
            counters_inspection(node.inventory, hca, port),
            subject=hca.name,
        )


def _listed(by: Mapping[Counter, int]) -> str:
    sums: dict[str, int] = defaultdict(int)
    for (_, _, name), more in by.items():
        sums[name] += more
    return ", ".join(f"{name} +{more}" for name, more in sorted(sums.items()))


CHECKS = (qos, counters)
