"""The PCIe tree to draw: NUMA nodes, host bridges, bridges that branch, devices. Pure.

A bridge with a single child is left out, because it does not separate devices.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from rdma_dp.dra.pcie_roots import Roots
from rdma_dp.inventory.hardware import Hca, Inventory, natural_key
from rdma_dp.inventory.pci_ids import MELLANOX
from rdma_dp.inventory.topology import Distance, Gpu, Place, Topology
from rdma_dp.render.discover import ports_text
from rdma_dp.text import NAMES_IN_LINE, some

_MOST_DRAWN = 12  # children of a branch without a GPU; a PF may have hundreds of VFs
_FIRST_DRAWN = 3  # of them, if there are more

HOST_BRIDGE = "host bridge"
ROOT_PORT, SWITCH, HCA_SWITCH = BRIDGES = ("root port", "PCIe switch", "switch of an HCA")

Chosen = Mapping[str, tuple[str, ...]]
"""The names of the resources that take an HCA, by the HCA's name."""

PortsTaken = Mapping[str, Mapping[str, tuple[int, ...]]]
"""The ports that a resource takes where it takes not all: by the HCA's and the resource's name."""


@dataclass(frozen=True, slots=True)
class DraRoots:
    """The PCIe roots of what is offered by DRA, and the config's overrides."""

    roots: Roots
    overrides: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class View:
    """Everything that a drawing shows. `dra` is None if the config has no resource via DRA."""

    topology: Topology
    inventory: Inventory
    chosen: Chosen = field(default_factory=dict)
    ports: PortsTaken = field(default_factory=dict)
    dra: DraRoots | None = None

    def resources(self, hca: str) -> tuple[str, ...]:
        """The resources that take an HCA, with its ports where they take not all of them."""
        ports = self.ports.get(hca, {})
        return tuple(f"{n}{ports_text(ports.get(n, ()))}" for n in self.chosen.get(hca, ()))

    def nearest(self, gpu: Gpu) -> tuple[Distance | None, tuple[str, ...]]:
        """The shortest distance from a GPU to a measured HCA, and the names of the nearest HCAs."""
        found, hcas = self.topology.nearest(gpu, self.measured)
        return found, tuple(hca.name for hca in hcas)

    @property
    def measured(self) -> tuple[Hca, ...]:
        """The HCAs to which distances are shown."""
        return self.topology.measured(self.inventory.hcas)


@dataclass(frozen=True, slots=True)
class Device:
    """A GPU, an HCA, or a Data Direct function, which is neither. `name` is its label."""

    name: str
    place: Place | None = None
    gpu: Gpu | None = None
    hca: Hca | None = None


@dataclass(frozen=True, slots=True)
class More:
    """Devices that are counted, not drawn."""

    devices: tuple[Device, ...]

    @property
    def text(self) -> str:
        """The first names, and the number of the others."""
        return some(tuple(device.name for device in self.devices), NAMES_IN_LINE)


@dataclass(frozen=True, slots=True)
class Branch:
    """A NUMA node, a host bridge or a bridge, with its children."""

    kind: str
    address: str
    children: "tuple[Node, ...]"


Node = Branch | Device | More


def tree(view: View) -> tuple[Branch, ...]:
    """The NUMA nodes in order; devices without one, or without a PCI function, come last."""
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
    return ("no NUMA node", "") if node is None else ("NUMA node", str(node))


def _host_bridges(devices: Iterable[Device], topology: Topology) -> list[Node]:
    bridges: dict[str, list[tuple[Sequence[str], Device]]] = {}
    for device in devices:
        if device.place is not None:
            path = (device.place.bridges, device)
            bridges.setdefault(device.place.host_bridge, []).append(path)
    return [
        Branch(HOST_BRIDGE, name, few(_below(own, name, topology))) for name, own in bridges.items()
    ]


def _below(
    devices: Sequence[tuple[Sequence[str], Device]], host_bridge: str, topology: Topology
) -> list[Node]:
    """The children of a bridge: its devices, and the next bridges of the other devices."""
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
    """All nodes; if there are too many, those with a GPU, the first others, and a `More`."""
    others = [node for node in nodes if not _has_gpu(node)]
    if len(others) <= _MOST_DRAWN:
        return tuple(nodes)
    hidden = others[_FIRST_DRAWN:]
    hidden_ids = {id(node) for node in hidden}
    drawn = tuple(node for node in nodes if id(node) not in hidden_ids)
    return (*drawn, More(tuple(device for node in hidden for device in devices_below(node))))


def _has_gpu(node: Node) -> bool:
    return any(device.gpu is not None for device in devices_below(node))
