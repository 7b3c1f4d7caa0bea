"""The PCIe tree as people draw it: NUMA nodes, host bridges, bridges that branch, devices. Pure.

A bridge with one way through it is left out: it separates nothing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from rdma_dp.inventory.hardware import Hca, Inventory, natural_key
from rdma_dp.inventory.pci_ids import MELLANOX
from rdma_dp.inventory.topology import Distance, Gpu, Place, Topology
from rdma_dp.text import some

_DRAWN = 12  # of what hangs below one thing, besides GPUs; a PF may have hundreds of VFs
_NAMED = 3

HOST_BRIDGE = "host bridge"
ROOT_PORT, SWITCH, HCA_SWITCH = BRIDGES = ("root port", "PCIe switch", "switch of an HCA")

Chosen = Mapping[str, tuple[str, ...]]
"""The names of the resources that hand an HCA out, by its name."""


@dataclass(frozen=True, slots=True)
class View:
    """Everything that a drawing of the node shows."""

    topology: Topology
    inventory: Inventory
    chosen: Chosen = field(default_factory=dict)

    def nearest(self, gpu: Gpu) -> tuple[Distance | None, tuple[str, ...]]:
        """The shortest distance from a GPU to an HCA for pods, and the names of those."""
        found, hcas = self.topology.nearest(gpu, self.measured)
        return found, tuple(hca.name for hca in hcas)

    @property
    def measured(self) -> tuple[Hca, ...]:
        """The HCAs that the distances are about."""
        return self.topology.measured(self.inventory.hcas)


@dataclass(frozen=True, slots=True)
class Device:
    """A GPU or an HCA; a Data Direct function is neither. `name` is what to write beside it."""

    name: str
    place: Place | None = None
    gpu: Gpu | None = None
    hca: Hca | None = None


@dataclass(frozen=True, slots=True)
class More:
    """Devices that are not drawn one by one."""

    devices: tuple[Device, ...]

    @property
    def text(self) -> str:
        """The first of them, and how many are left."""
        return some(tuple(device.name for device in self.devices), _NAMED)


@dataclass(frozen=True, slots=True)
class Branch:
    """A NUMA node, a host bridge or a bridge, and what is below."""

    kind: str
    address: str
    children: "tuple[Node, ...]"


Node = Branch | Device | More


def tree(view: View) -> tuple[Branch, ...]:
    """The NUMA nodes in their order; what has none, and what has no PCI function, comes last."""
    devices = sorted(_devices(view), key=_order)
    nodes: dict[int | None, list[Device]] = {}
    for device in devices:
        if device.place is not None:
            nodes.setdefault(device.place.numa_node, []).append(device)
    drawn = [
        Branch(*_numa_label(node), few(_host_bridges(own, view.topology)))
        for node, own in sorted(nodes.items(), key=lambda each: (each[0] is None, each[0] or 0))
    ]
    unplaced = [device for device in devices if device.place is None]
    if unplaced:
        drawn.append(Branch("no PCI function", "", few(unplaced)))
    return tuple(drawn)


def devices_below(node: Node) -> Iterator[Device]:
    """Every device in a part of the tree."""
    if isinstance(node, Device):
        yield node
    elif isinstance(node, More):
        yield from node.devices
    else:
        for child in node.children:
            yield from devices_below(child)


def _devices(view: View) -> Iterator[Device]:
    topology = view.topology
    yield from (Device(gpu.name, gpu.place, gpu=gpu) for gpu in topology.gpus)
    for hca in view.inventory.hcas:
        places = topology.hcas.get(hca.name, ())
        yield Device(hca.name, places[0] if places else None, hca=hca)
    yield from (Device("Data Direct", place) for place in topology.data_direct)


def _order(device: Device) -> tuple[object, ...]:
    address = device.place.address if device.place else ""
    return len(address), address, natural_key(device.name)


def _numa_label(node: int | None) -> tuple[str, str]:
    return ("no NUMA node told", "") if node is None else ("NUMA node", str(node))


def _host_bridges(devices: Iterable[Device], topology: Topology) -> list[Node]:
    bridges: dict[str, list[tuple[Sequence[str], Device]]] = {}
    for device in devices:
        if device.place is not None:
            rest = (device.place.bridges, device)
            bridges.setdefault(device.place.host_bridge, []).append(rest)
    return [
        Branch(HOST_BRIDGE, name, few(_below(own, name, topology))) for name, own in bridges.items()
    ]


def _below(
    devices: Sequence[tuple[Sequence[str], Device]], host_bridge: str, topology: Topology
) -> list[Node]:
    """What hangs below one thing: devices, and the next bridges on the way to the others."""
    found: list[Node] = []
    groups: dict[str, list[tuple[Sequence[str], Device]]] = {}
    for bridges, device in devices:
        if bridges:
            groups.setdefault(bridges[0], []).append((bridges[1:], device))
        else:
            found.append(device)
    for bridge, own in groups.items():
        children = _below(own, host_bridge, topology)
        if len(children) == 1:
            found += children
        else:
            kind = _bridge_kind(bridge, host_bridge, topology)
            found.append(Branch(kind, bridge, few(children)))
    return found


def _bridge_kind(bridge: str, host_bridge: str, topology: Topology) -> str:
    if host_bridge.removeprefix("pci") == bridge.rpartition(":")[0]:
        return ROOT_PORT
    return HCA_SWITCH if topology.bridges.get(bridge) == MELLANOX else SWITCH


def few(nodes: Sequence[Node]) -> tuple[Node, ...]:
    """The nodes, or of very many all those with a GPU, the first others and what is left."""
    others = [node for node in nodes if not _has_gpu(node)]
    if len(others) <= _DRAWN:
        return tuple(nodes)
    left = others[_NAMED:]
    gone = {id(node) for node in left}
    kept = tuple(node for node in nodes if id(node) not in gone)
    return (*kept, More(tuple(device for node in left for device in devices_below(node))))


def _has_gpu(node: Node) -> bool:
    return any(device.gpu is not None for device in devices_below(node))
