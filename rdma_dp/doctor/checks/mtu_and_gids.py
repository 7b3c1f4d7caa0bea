"""MTUs and GID tables of RoCE ports."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from rdma_dp.doctor.check import Finding, check, fail, ok, unknown, warn
from rdma_dp.doctor.facts.roce import (
    ENOUGH_MTU,
    LARGEST_MTU,
    V1,
    V2,
    GidTable,
    gid_table,
    roce_mtu,
    roce_ports,
)
from rdma_dp.host.paths import CLASS_NET, RDMA_CM_SETTINGS
from rdma_dp.inventory.hardware import Hca, Port
from rdma_dp.node.view import NodeView
from rdma_dp.text import counted, some

_SHOWN = 4  # names in a line of evidence
_NO_NETDEV = "no RoCE port has a netdev in this network namespace"

# Interfaces over a netdev that send nothing themselves. The datapath of Open vSwitch is the master
# of all its ports and has 1500 with any MTU of the ports (kernel net/openvswitch/vport-netdev.c).
# A VRF has 65575 (kernel drivers/net/vrf.c, IP6_MAX_MTU).
_OVS = "ovs-system"
_LARGEST_PACKET = 65535


@check(
    "fabric-mtu",
    "One MTU from the port to the pods",
    reads="/sys/class/net/NETDEV/mtu, of each RoCE port and of the interfaces over it (upper_*)",
    remedies=("ip link set NETDEV mtu MTU",),
)
def mtu(node: NodeView) -> Iterator[Finding]:
    """RoCE has packets of 256, 512, 1024, 2048 or 4096 bytes: the largest that fits into the MTU of
    the netdev with 96 bytes of headers. 1500 gives 1024; 4192 and more give 4096. Programs that
    connect through rdma_cm use the MTU of their own interface, other programs that of the port.

    The check warns about an interface over the port (VLAN, macvlan, ipvlan, bond) whose MTU gives
    another RoCE MTU, about different MTUs in one resource, and about an MTU that is too small for
    RoCE. A small MTU that is the same everywhere is shown without a warning, because the switches
    may need it. Neither the switches nor interfaces in pods' namespaces can be inspected.
    """
    found = _mtus(node)
    for name, (own, uppers) in found.items():
        if roce_mtu(own) is None:
            yield warn(
                f"an MTU of {own} is too small for RoCE", _set_mtu(name, ENOUGH_MTU), subject=name
            )
        for upper, over in uppers.items():
            if roce_mtu(over) != roce_mtu(own):
                yield _mismatch(name, own, upper, over)
    yield from _mixed(node, found)
    yield from _unread_layers(node)
    names = dict.fromkeys(name for _, port in _roce(node) for name in port.netdevs)
    unread = tuple(name for name in names if name not in found)
    if unread:
        yield unknown(f"/{CLASS_NET} does not show the MTU of {some(unread, _SHOWN)}")
    elif found:
        yield ok("; ".join(_by_size({name: own for name, (own, _) in found.items()})))
    elif any(_roce(node)):
        yield unknown(_NO_NETDEV)


def _unread_layers(node: NodeView) -> Iterator[Finding]:
    """Whether a port uses RoCE is not known without its link layer."""
    for hca in node.concerned:
        if any(port.link_layer is None for port in hca.ports):
            yield unknown("a port does not show its link layer", subject=hca.name)


def _mismatch(name: str, own: int, upper: str, over: int) -> Finding:
    return warn(
        f"MTU {own} gives RoCE {roce_mtu(own)}, but {upper} over it has {over}, which gives"
        f" {roce_mtu(over)}",
        _set_mtu(*((upper, own) if over < own else (name, over))),
        subject=name,
    )


def _set_mtu(name: str, value: int) -> str:
    return f"ip link set {name} mtu {value}"


def _roce(node: NodeView) -> Iterator[tuple[Hca, Port]]:
    for hca in node.concerned:
        for port in roce_ports(node.host, hca):
            yield hca, port


def _mtus(node: NodeView) -> dict[str, tuple[int, dict[str, int]]]:
    """The MTU of each netdev of a RoCE port, and the MTUs of the interfaces over it."""
    found = {}
    for _, port in _roce(node):
        for name in port.netdevs:
            own = _mtu(node, name)
            if own is not None and name not in found:
                found[name] = own, dict(_uppers(node, name))
    return found


def _mtu(node: NodeView, name: str) -> int | None:
    return node.host.read_int_or_none(f"{CLASS_NET}/{name}/mtu")


def _uppers(node: NodeView, name: str) -> Iterator[tuple[str, int]]:
    """The interfaces over a netdev in this network namespace (links of kernel net/core/dev.c)."""
    for entry in node.host.entries(f"{CLASS_NET}/{name}"):
        kind, _, upper = entry.partition("_")
        over = _mtu(node, upper) if kind == "upper" and upper else None
        if over is not None and upper != _OVS and over <= _LARGEST_PACKET:
            yield upper, over


def _mixed(node: NodeView, found: Mapping[str, tuple[int, Mapping[str, int]]]) -> Iterator[Finding]:
    for pool in node.pools:
        names = dict.fromkeys(n for h in pool.hcas for p in h.ports for n in p.netdevs)
        sizes = {name: found[name][0] for name in names if name in found}
        if len(set(sizes.values())) > 1:
            largest = max(sizes.values())
            smaller = [name for name, size in sizes.items() if size < largest]
            yield warn(
                f"its netdevs differ: {'; '.join(_by_size(sizes))}",
                *(_set_mtu(name, largest) for name in smaller[:_SHOWN]),
                subject=pool.resource.full_name,
            )


def _by_size(sizes: Mapping[str, int]) -> Iterator[str]:
    names = defaultdict(list)
    for name, size in sizes.items():
        names[size].append(name)
    for size, alike in sorted(names.items()):
        gives = roce_mtu(size)
        more = "" if gives == LARGEST_MTU else f" ({LARGEST_MTU} needs {ENOUGH_MTU})"
        yield f"{some(tuple(alike), _SHOWN)}: MTU {size} gives RoCE {gives or 'none'}{more}"


@check(
    "fabric-gids",
    "RoCE v2 GIDs, and free slots in the GID tables",
    reads="/sys/class/infiniband/HCA/ports/N/gids, gid_attrs/types;"
    " /sys/kernel/config/rdma_cm/HCA/ports/N/default_roce_mode",
    remedies=(
        "ip addr show NETDEV",
        "ip link set NETDEV up",
        "rdma-dp dry-run",
        "echo 'RoCE v2' > /sys/kernel/config/rdma_cm/HCA/ports/PORT/default_roce_mode",
    ),
)
def gids(node: NodeView) -> Iterator[Finding]:
    """A RoCE port sends from the addresses in its GID table. They are those of the port's netdev
    and of the interfaces over it. Without a RoCE v2 entry there is no traffic through routers, and
    without a free slot the interface of the next pod gets no GID.

    Only ports with a netdev in the host's namespace are checked. A VF whose netdev is in a pod has
    its addresses there.
    """
    tables, skipped = [], False
    yield from _unread_layers(node)
    for hca, port in _roce(node):
        skipped = skipped or not port.netdevs
        if not port.netdevs or port.state not in (None, "ACTIVE"):
            continue
        table = gid_table(node.host, hca, port)
        if table is None or not table.size:
            yield unknown(f"port {port.number} shows no GID table", subject=hca.name)
            continue
        tables.append(table)
        yield from _judged(table, hca, port)
        yield from _mode(node, hca, port)
    if tables:
        free = min(table.free for table in tables)
        ports = counted(len(tables), "RoCE port")
        yield ok(f"{ports} with RoCE v2 GIDs and at least {counted(free, 'free slot')}")
    elif skipped:
        yield unknown(_NO_NETDEV)


def _judged(table: GidTable, hca: Hca, port: Port) -> Iterator[Finding]:
    netdev = port.netdevs[0]
    types = set(table.used.values())
    of = f"port {port.number}"
    if not table.used:
        yield fail(
            f"{of} is ACTIVE, but none of its {table.size} GID slots is in use: no connection",
            f"ip addr show {netdev}",
            f"ip link set {netdev} up",
            subject=hca.name,
        )
    elif V2 not in types and None in types:
        yield unknown(f"{of} does not show the type of {len(table.used)} GIDs", subject=hca.name)
    elif V2 not in types:
        yield warn(
            f"{of} has {len(table.used)} GIDs, none of them RoCE v2: no routed traffic",
            f"ip addr show {netdev}",
            subject=hca.name,
        )
    if table.used and not table.free:
        yield warn(
            f"all {table.size} GID slots of {of} are in use: the next pod's interface gets none",
            f"ip addr show {netdev}",
            subject=hca.name,
        )


def _mode(node: NodeView, hca: Hca, port: Port) -> Iterator[Finding]:
    """The default of rdma_cm. configfs has it only for HCAs whose directory has been made there."""
    path = f"{RDMA_CM_SETTINGS}/{hca.name}/ports/{port.number}/default_roce_mode"
    if node.host.read_or_none(path) == V1:
        yield warn(
            f"rdma_cm connects port {port.number} by RoCE v1 by default",
            f"echo '{V2}' > /{path}",
            subject=hca.name,
        )


CHECKS = (mtu, gids)
