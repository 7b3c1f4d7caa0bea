"""Reads GPUs, HCAs and the PCIe bridges above them from the paths of their functions."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from types import MappingProxyType

from rdma_dp.discovery.pci_functions import Functions, is_address
from rdma_dp.discovery.pcie_config import SIZE, Acs, acs
from rdma_dp.host.files import Host, HostError
from rdma_dp.host.paths import CPU_NODES, IOMMU_GROUPS, NVIDIA_GPUS, ONLINE_NODES, PCI_DEVICES
from rdma_dp.inventory.hardware import Hca, Inventory, PciFunction
from rdma_dp.inventory.pci_ids import (
    AMD,
    BAIDU,
    CAMBRICON,
    ENFLAME,
    GRAPHCORE,
    HABANA,
    HUAWEI,
    HYGON,
    ILUVATAR,
    INTEL,
    MELLANOX,
    METAX,
    MOORE_THREADS,
    NVIDIA,
)
from rdma_dp.inventory.topology import Gpu, Place, Topology

# PCI classes, upper 16 bits (pci.ids): VGA, 3D and other display controllers. All processing
# accelerators have the base class 12.
_VGA, _3D, _DISPLAY = 0x0300, 0x0302, 0x0380
_ACCELERATOR = 0x12
_DISPLAYS = frozenset({_3D, _DISPLAY})
_ALL_DISPLAYS = _DISPLAYS | {_VGA}

# The makers of accelerators, and their classes 03. A VGA function of Intel or Huawei is the
# graphics of a CPU or of a management controller.
_MAKERS = {
    NVIDIA: frozenset({_VGA, _3D}),
    AMD: _ALL_DISPLAYS,
    BAIDU: _ALL_DISPLAYS,
    CAMBRICON: _ALL_DISPLAYS,
    ENFLAME: _ALL_DISPLAYS,
    GRAPHCORE: _ALL_DISPLAYS,
    HABANA: _DISPLAYS,
    HUAWEI: _DISPLAYS,
    HYGON: _ALL_DISPLAYS,
    ILUVATAR: _ALL_DISPLAYS,
    INTEL: frozenset({_DISPLAY}),
    METAX: _ALL_DISPLAYS,
    MOORE_THREADS: _ALL_DISPLAYS,
}
_CPU_GRAPHICS = "0000:00:02.0"  # of Intel CPUs: bus 0, device 2 in their data sheets
_DMA_CONTROLLER = 0x0801
_DATA_DIRECT = "2100"  # of Mellanox: the second function of a ConnectX-8


def read_topology(host: Host, inventory: Inventory) -> Topology:
    """The topology of the GPUs and HCAs. Functions that cannot be read are left out."""
    places = _Places(host)
    functions = Functions(host)
    gpus: list[Gpu] = []
    data_direct: list[Place] = []
    for function in _candidates(host, functions):
        place = places.of(function)
        if place is None:
            continue
        if _is_gpu(function):
            gpus.append(Gpu(f"GPU{len(gpus)}", function, place, _model(host, function)))
        elif (function.vendor, function.device) == (MELLANOX, _DATA_DIRECT):
            data_direct.append(place)
    hcas = {hca.name: tuple(places.of_hca(hca)) for hca in inventory.hcas}
    seen = (*(gpu.place for gpu in gpus), *data_direct, *(p for own in hcas.values() for p in own))
    bridges = dict.fromkeys(bridge for place in seen for bridge in place.bridges)
    return Topology(
        gpus=tuple(gpus),
        hcas=MappingProxyType(hcas),
        bridges=MappingProxyType({bridge: _vendor(host, bridge) for bridge in bridges}),
        data_direct=tuple(data_direct),
    )


def read_acs(host: Host, address: str) -> Acs | None:
    """The ACS of a bridge; None where it cannot be read. Raises HostError."""
    config = host.read_bytes(f"{PCI_DEVICES}/{address}/config", SIZE)
    return None if config is None else acs(config)


def read_iommu(host: Host, address: str) -> str | None:
    """The type of the function's IOMMU group, "identity" or "DMA-FQ"; None without an IOMMU.

    "unknown" where an old kernel does not show the type.
    """
    group = host.link_name(f"{PCI_DEVICES}/{address}/iommu_group")
    return None if group is None else host.read(f"{IOMMU_GROUPS}/{group}/type") or "unknown"


class _Places:
    """The places of functions. If only one NUMA node has CPUs, that node is the default.

    The memory of a GPU of a Grace node is a NUMA node, too (kernel drivers/base/node.c: has_cpu).
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        nodes = host.read_or_none(CPU_NODES) or host.read_or_none(ONLINE_NODES) or ""
        self._only_node = int(nodes) if nodes.isascii() and nodes.isdigit() else None

    def of(self, function: PciFunction) -> Place | None:
        """The place of a function; None where the host does not show it."""
        try:
            path = self._host.follow(f"{PCI_DEVICES}/{function.address}")
        except HostError:
            return None
        place = place_of(path or "")
        node = self._only_node if function.numa_node is None else function.numa_node
        return None if place is None else replace(place, numa_node=node)

    def of_hca(self, hca: Hca) -> Iterator[Place]:
        """The places of all functions of an HCA."""
        yield from (place for function in hca.functions if (place := self.of(function)) is not None)


def place_of(path: str) -> Place | None:
    """The place of a function by its real path; None for any other path."""
    components = path.split("/")
    addresses = [index for index, each in enumerate(components) if is_address(each)]
    if not addresses or addresses[-1] != len(components) - 1 or addresses[0] == 0:
        return None
    first = addresses[0]
    above = tuple(components[index] for index in addresses[:-1])
    return Place(components[-1], components[first - 1], above)


def _candidates(host: Host, functions: Functions) -> Iterator[PciFunction]:
    """The functions with the class of a GPU or of a DMA controller."""
    for address in _addresses(host):
        path = f"{PCI_DEVICES}/{address}"
        pci_class = host.read_int_or_none(f"{path}/class", 16)
        if pci_class is not None and _may_count(pci_class >> 8):
            try:
                yield functions.at(address, path)
            except HostError:
                continue


def _addresses(host: Host) -> Iterable[str]:
    try:
        return host.entries(PCI_DEVICES)
    except HostError:
        return ()


def _may_count(pci_class: int) -> bool:
    return pci_class in _ALL_DISPLAYS | {_DMA_CONTROLLER} or pci_class >> 8 == _ACCELERATOR


def _is_gpu(function: PciFunction) -> bool:
    """Whether it is a GPU or another accelerator, and not a VF of one."""
    displays = _MAKERS.get(function.vendor or "")
    if displays is None or function.physfn is not None or _is_of_cpu(function):
        return False
    pci_class = (function.pci_class or 0) >> 8
    return pci_class in displays or pci_class >> 8 == _ACCELERATOR


def _is_of_cpu(function: PciFunction) -> bool:
    """Whether it is the graphics of an Intel CPU, which is a display controller if headless."""
    return function.vendor == INTEL and function.address == _CPU_GRAPHICS


def _model(host: Host, function: PciFunction) -> str | None:
    """The name of the model, from the driver."""
    if function.vendor == AMD:
        return host.read_or_none(f"{PCI_DEVICES}/{function.address}/product_name") or None
    text = host.read_or_none(f"{NVIDIA_GPUS}/{function.address}/information") or ""
    lines = (line.partition(":") for line in text.splitlines())
    return next((model.strip() or None for key, _, model in lines if key.strip() == "Model"), None)


def _vendor(host: Host, address: str) -> str | None:
    text = host.read_or_none(f"{PCI_DEVICES}/{address}/vendor")
    return None if text is None else text.removeprefix("0x").lower()
