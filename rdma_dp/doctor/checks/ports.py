"""The ports of the HCAs: are they ACTIVE, and at the same rate as similar ports?"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from rdma_dp.doctor.check import Finding, check, fail, ok, unknown, warn
from rdma_dp.host.files import Host
from rdma_dp.host.paths import CLASS_INFINIBAND, PCI_DEVICES
from rdma_dp.inventory.hardware import Hca, PciFunction, Port, natural_key
from rdma_dp.inventory.topology import DIRECT
from rdma_dp.inventory.verdicts import UnhealthyCode
from rdma_dp.node.view import NodeView
from rdma_dp.sharing.health import has_active_port, links_down
from rdma_dp.sharing.pool import Pool
from rdma_dp.text import counted, some

_SHOWN = 4  # names in a line of evidence
_SUBNET_MANAGER = "the cable is good, but no subnet manager answers"
_START_ONE = "systemctl status opensm  # on the machine that runs the subnet manager"


@check(
    "hca-ports",
    "Ports that can carry traffic",
    reads="/sys/class/infiniband/HCA/ports/N/state, phys_state; /sys/class/net/NETDEV/flags",
    remedies=("ip link set NETDEV up", _START_ONE, "mlxlink -d HCA", "ethtool NETDEV"),
)
def ports(node: NodeView) -> Iterator[Finding]:
    """An HCA without an ACTIVE port sends nothing: the cable, the switch, the subnet manager or the
    netdev is down.

    The check fails if no HCA of a resource has an ACTIVE port. It warns if another HCA of the
    resource has one, because a pod may get the HCA that is down. Only ports that the resource's
    selectors fit count. Without a config it checks all HCAs. An HCA in no resource may be down on
    purpose, such as a spare port for storage. It is reported only if its port is INIT, which means
    a missing subnet manager.
    """
    concerned = _of_each_resource(node)
    alone = _alone(node)
    for hca in concerned:
        judge = fail if hca.name in alone else warn
        yield from _inactive(hca, judge)
    for hca in _others(node, concerned):
        if any(port.state == "INIT" for port in hca.ports) and not has_active_port(hca):
            yield from _inactive(hca, warn)
    names = {hca.name for hca in concerned}
    active = {hca.name for hca in concerned if any(port.state == "ACTIVE" for port in hca.ports)}
    if names:
        yield ok(f"{len(active)} of {counted(len(names), 'HCA')} with an ACTIVE port")


def _of_each_resource(node: NodeView) -> list[Hca]:
    """The HCAs of all resources. An HCA can be there twice, with the ports of two resources."""
    if not node.config.config:
        return list(node.concerned)
    taken = dict.fromkeys(hca for pool in node.pools for hca in pool.hcas)
    return sorted(taken, key=lambda hca: natural_key(hca.name))


def _others(node: NodeView, concerned: Sequence[Hca]) -> Iterator[Hca]:
    names = {hca.name for hca in concerned}
    return (hca for hca in node.inventory.hcas if hca.shareable and hca.name not in names)


def _alone(node: NodeView) -> set[str]:
    """The HCAs of groups (resources, or the whole node) that have no ACTIVE port among them."""
    groups: Iterable[Sequence[Hca]] = (
        [pool.hcas for pool in node.pools] if node.config.config else [node.concerned]
    )
    dark = [group for group in groups if not any(map(has_active_port, group))]
    return {hca.name for group in dark for hca in group}


def _inactive(hca: Hca, judge: Callable[..., Finding]) -> Iterator[Finding]:
    if any(port.state == "ACTIVE" for port in hca.ports):
        return
    if all(port.state is None for port in hca.ports):
        text = "no port shows its state" if hca.ports else "it has no port"
        yield unknown(text, subject=hca.name)
        return
    for port in hca.ports:
        if port.state is not None:
            yield judge(
                _condition(port),
                *_remedies(hca, port),
                subject=hca.name,
                code=UnhealthyCode.NO_ACTIVE_PORT,
            )


def _condition(port: Port) -> str:
    physical = f", phys state {port.phys_state}" if port.phys_state else ""
    why = f": {_SUBNET_MANAGER}" if _lacks_subnet_manager(port) else ""
    return f"port {port.number} is {port.state}{physical}{why}"


def _lacks_subnet_manager(port: Port) -> bool:
    return port.link_layer == "InfiniBand" and port.state == "INIT"


def _remedies(hca: Hca, port: Port) -> tuple[str, ...]:
    if _lacks_subnet_manager(port):
        return (_START_ONE,)
    if port.link_layer == "InfiniBand":
        return (f"mlxlink -d {hca.name}",) if hca.name.startswith("mlx") else ()
    down = links_down(hca, port.netdevs)
    if down:
        return tuple(f"ip link set {name} up" for name in down)
    return tuple(f"ethtool {name}" for name in port.netdevs[:1])


@check(
    "hca-rate",
    "Ports at the same rate as similar ports",
    reads="/sys/class/infiniband/HCA/ports/N/rate, board_id; /sys/bus/pci/devices/ADDRESS/"
    "{vendor,device,subsystem_vendor,subsystem_device}",
    remedies=("mlxlink -d HCA", "ethtool NETDEV"),
)
def rate(node: NodeView) -> Iterator[Finding]:
    """An ACTIVE port that is slower than the other ports of its card, or than ports of the same
    board in one resource. Causes are a damaged cable, a lost lane or a slower switch port.
    Different boards are not compared, even with the same chip: a BlueField-3 DPU for storage may
    be slower than a SuperNIC. Nor is a card behind the PCIe switch of a GPU compared with one that
    is not, because it has another purpose, nor are cards in different resources.
    """
    found: dict[str, Finding] = {}
    groups = [*_cards(node), *(alike for pool in node.pools for alike in _boards(node, pool))]
    for hcas in groups:
        for finding in _slower(hcas):
            found.setdefault(finding.subject, finding)
    yield from found.values()
    rates = {f"{port.rate:g} Gb/s" for hca in node.concerned for port in _active(hca) if port.rate}
    if rates:
        yield ok(f"{some(tuple(sorted(rates)), _SHOWN)} on {counted(len(node.concerned), 'HCA')}")


def _cards(node: NodeView) -> Iterable[Sequence[Hca]]:
    """The HCAs on the PFs of each card: the functions of one bus and device."""
    cards: dict[str, list[Hca]] = defaultdict(list)
    for hca in node.concerned:
        if hca.function is not None and hca.function.physfn is None and hca.subfunction is None:
            cards[hca.function.address.rpartition(".")[0]].append(hca)
    return cards.values()


def _boards(node: NodeView, pool: Pool) -> Iterable[Sequence[Hca]]:
    """The HCAs of each kind of board and purpose: its ids, its board_id, and whether it is a GPU's.

    Boards of one chip can have equal ids: board_id is often that of the chip (MT_00000041692).
    """
    boards: dict[tuple[str | bool | None, ...], list[Hca]] = defaultdict(list)
    for hca in pool.hcas:
        if hca.function is not None:
            ids = _board(node.host, hca.name, hca.function)
            boards[(*ids, _serves_a_gpu(node, hca))].append(hca)
    return boards.values()


def _serves_a_gpu(node: NodeView, hca: Hca) -> bool:
    topology = node.topology
    return any(topology.distance(gpu, hca) in DIRECT for gpu in topology.gpus)


def _board(host: Host, name: str, function: PciFunction) -> tuple[str | None, ...]:
    path = f"{PCI_DEVICES}/{function.address}"
    subsystem = (host.read_or_none(f"{path}/subsystem_{each}") for each in ("vendor", "device"))
    board_id = host.read_or_none(f"{CLASS_INFINIBAND}/{name}/board_id")
    return (function.vendor, function.device, *subsystem, board_id)


def _active(hca: Hca) -> list[Port]:
    return [port for port in hca.ports if port.state == "ACTIVE"]


def _slower(hcas: Sequence[Hca]) -> Iterator[Finding]:
    best: dict[str | None, float] = defaultdict(float)
    for hca in hcas:
        for port in _active(hca):
            best[port.link_layer] = max(best[port.link_layer], port.rate or 0)
    for hca in hcas:
        for port in _active(hca):
            if port.rate is not None and port.rate < best[port.link_layer]:
                text = f"port {port.number} runs at {port.rate:g} Gb/s"
                others = f"similar ports at {best[port.link_layer]:g} Gb/s"
                yield warn(f"{text}, {others}", *_closer_inspection(hca, port), subject=hca.name)


def _closer_inspection(hca: Hca, port: Port) -> tuple[str, ...]:
    if hca.name.startswith("mlx"):
        return (f"mlxlink -d {hca.name}",)
    return tuple(f"ethtool {name}" for name in port.netdevs[:1])


CHECKS = (ports, rate)
