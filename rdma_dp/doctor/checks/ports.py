"""The ports of the HCAs: are they ACTIVE, and at the same rate as similar ports?"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from rdma_dp.doctor.check import Finding, check, fail, ok, unknown, warn
from rdma_dp.doctor.facts.link_commands import inspection, remedies, unserved, without_active_port
from rdma_dp.host.files import Host
from rdma_dp.host.paths import CLASS_INFINIBAND, PCI_DEVICES
from rdma_dp.inventory.hardware import Hca, Inventory, PciFunction, Port
from rdma_dp.inventory.topology import DIRECT
from rdma_dp.inventory.verdicts import UnhealthyCode
from rdma_dp.node.view import NodeView
from rdma_dp.sharing.pool import Pool
from rdma_dp.text import counted, some

_SHOWN = 4  # names in a line of evidence
_SUBNET_MANAGER = "the cable is good, but no subnet manager answers"
_INSPECTIONS = ("mlxlink -d HCA", "ethtool NETDEV", "ibstat HCA", "opainfo", "rdma link show HCA")


@check(
    "hca-ports",
    "Ports that can carry traffic",
    reads="/sys/class/infiniband/HCA/ports/N/state, phys_state; /sys/class/net/NETDEV/flags",
    remedies=(
        "ip link set NETDEV up",
        "systemctl status opensm",
        "ip link set PFNETDEV vf N state auto",
        *_INSPECTIONS,
    ),
)
def ports(node: NodeView) -> Iterator[Finding]:
    """An HCA without an ACTIVE port sends nothing: the cable, the switch, the subnet manager or the
    netdev is down.

    The check fails if no HCA of a resource has an ACTIVE port. It warns if another HCA of the
    resource has one, because a pod may get the HCA that is down. Only ports that the resource's
    selectors fit count. Without a config it checks all HCAs. An HCA in no resource may be down on
    purpose, such as a spare port for storage. It is reported only if its port is INIT, which means
    a missing subnet manager.

    The command depends on the HCA: `mlxlink` is for PFs of mlx5 only. For a VF or SF the command is
    for the link of its PF. For InfiniBand VFs that are down although their PF is ACTIVE see
    hca-ib-vfs.
    """
    for hca, alone in without_active_port(node):
        yield from _inactive(node.inventory, hca, fail if alone else warn)
    concerned = node.concerned
    active = [hca for hca in concerned if any(port.state == "ACTIVE" for port in hca.ports)]
    if concerned:
        yield ok(f"{len(active)} of {counted(len(concerned), 'HCA')} with an ACTIVE port")


def _inactive(inventory: Inventory, hca: Hca, judge: Callable[..., Finding]) -> Iterator[Finding]:
    if all(port.state is None for port in hca.ports):
        text = "no port shows its state" if hca.ports else "it has no port"
        yield unknown(text, subject=hca.name)
        return
    for port in hca.ports:
        if port.state is not None:
            other = unserved(inventory, hca, port)
            yield judge(
                f"{_condition(port)}: see hca-ib-vfs" if other else _with_cause(port),
                *(() if other else remedies(inventory, hca, port)),
                subject=hca.name,
                code=UnhealthyCode.NO_ACTIVE_PORT,
                because="hca-ib-vfs" if other else "",
            )


def _with_cause(port: Port) -> str:
    lacks_manager = port.link_layer == "InfiniBand" and port.state == "INIT"
    return f"{_condition(port)}: {_SUBNET_MANAGER}" if lacks_manager else _condition(port)


def _condition(port: Port) -> str:
    physical = f", phys state {port.phys_state}" if port.phys_state else ""
    return f"port {port.number} is {port.state}{physical}"


@check(
    "hca-rate",
    "Ports at the same rate as similar ports",
    reads="/sys/class/infiniband/HCA/ports/N/rate, board_id; /sys/bus/pci/devices/ADDRESS/"
    "{vendor,device,subsystem_vendor,subsystem_device}",
    remedies=_INSPECTIONS,
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
        for finding in _slower(node.inventory, hcas):
            found.setdefault(finding.subject, finding)
    yield from found.values()
    for hca in node.concerned:
        if any(port.rate is None for port in _active(hca)):
            yield unknown("an ACTIVE port does not show its rate", subject=hca.name)
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


def _slower(inventory: Inventory, hcas: Sequence[Hca]) -> Iterator[Finding]:
    best: dict[str | None, float] = defaultdict(float)
    for hca in hcas:
        for port in _active(hca):
            best[port.link_layer] = max(best[port.link_layer], port.rate or 0)
    for hca in hcas:
        for port in _active(hca):
            if port.rate is not None and port.rate < best[port.link_layer]:
                text = f"port {port.number} runs at {port.rate:g} Gb/s"
                others = f"similar ports at {best[port.link_layer]:g} Gb/s"
                command = inspection(inventory, hca, port)
                yield warn(f"{text}, {others}", command, subject=hca.name)


CHECKS = (ports, rate)
