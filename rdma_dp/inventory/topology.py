"""The places of GPUs and HCAs in the PCIe tree, and the distances between them. Pure.

The names are those of `nvidia-smi topo -m`. NCCL uses them too (NCCL_NET_GDR_LEVEL), but has no
NODE: it treats all host bridges of a NUMA node as one, which is PHB (NCCL src/graph/paths.cc).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import takewhile
from types import MappingProxyType

from rdma_dp.inventory.hardware import Hca, PciFunction


class Distance(StrEnum):
    """From the nearest to the farthest. UNKNOWN: the firmware reports no NUMA node."""

    PIX = "PIX"
    PXB = "PXB"
    PHB = "PHB"
    NODE = "NODE"
    SYS = "SYS"
    UNKNOWN = "?"

    @property
    def rank(self) -> int:
        """Its position in that order. UNKNOWN is last."""
        return _RANKS[self]

    @property
    def meaning(self) -> str:
        """What is between the two functions, in a few words."""
        return _MEANINGS[self]


_RANKS = {distance: rank for rank, distance in enumerate(Distance)}
_MEANINGS = {
    Distance.PIX: "one PCIe switch",
    Distance.PXB: "several PCIe switches",
    Distance.PHB: "the CPU's host bridge",
    Distance.NODE: "two host bridges of a NUMA node",
    Distance.SYS: "two NUMA nodes",
    Distance.UNKNOWN: "two host bridges; no NUMA node is reported",
}

# The distances at which NCCL lets an HCA read and write GPU memory by default, without
# NCCL_NET_GDR_LEVEL (NCCL src/graph/paths.cc, ncclTopoCheckGdr).
DIRECT = frozenset({Distance.PIX, Distance.PXB})


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a PCI function.

    `host_bridge` is the root of its tree in sysfs ("pci0000:15"). `bridges` are the addresses of
    the bridges between the two, root port first.
    """

    address: str
    host_bridge: str = ""
    bridges: tuple[str, ...] = ()
    numa_node: int | None = None


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU or another accelerator. `name` is GPU0, GPU1 by address, as in nvidia-smi."""

    name: str
    function: PciFunction
    place: Place
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Topology:
    """GPUs and HCAs in the PCIe tree.

    `hcas` has the places of each HCA's functions, by the name of the HCA; a virtual HCA has none.
    `bridges` has the vendors of all bridges above them. `data_direct` are the functions through
    which a ConnectX-8 reaches the GPUs of a Grace.
    """

    gpus: tuple[Gpu, ...] = ()
    hcas: Mapping[str, tuple[Place, ...]] = field(default_factory=lambda: MappingProxyType({}))
    bridges: Mapping[str, str | None] = field(default_factory=lambda: MappingProxyType({}))
    data_direct: tuple[Place, ...] = ()

    def distance(self, gpu: Gpu, hca: Hca) -> Distance | None:
        """From the GPU to the nearest function of the HCA; None if the HCA has no function."""
        distances = (distance(gpu.place, place) for place in self.hcas.get(hca.name, ()))
        return min(distances, key=lambda found: found.rank, default=None)

    def measured(self, hcas: Iterable[Hca]) -> tuple[Hca, ...]:
        """The HCAs on PCI that can be shared; all HCAs on PCI if none of them can."""
        placed = tuple(hca for hca in hcas if self.hcas.get(hca.name))
        return tuple(hca for hca in placed if hca.shareable) or placed

    def nearest(self, gpu: Gpu, hcas: Iterable[Hca]) -> tuple[Distance | None, tuple[Hca, ...]]:
        """The shortest distance from the GPU to the HCAs, and all HCAs at that distance."""
        found = [(hca, self.distance(gpu, hca)) for hca in hcas]
        known = [each for _, each in found if each is not None]
        shortest = min(known, key=lambda each: each.rank, default=None)
        return shortest, tuple(h for h, each in found if each is not None and each is shortest)


def distance(one: Place, other: Place) -> Distance:
    """The distance between two functions."""
    if one.host_bridge == other.host_bridge:
        shared = _shared(one.bridges, other.bridges)
        if shared:
            # A switch has an upstream port and downstream ports: at most one bridge on each side.
            below = max(len(one.bridges), len(other.bridges)) - shared
            return Distance.PIX if below <= 1 else Distance.PXB
        if None in (one.numa_node, other.numa_node) or one.numa_node == other.numa_node:
            return Distance.PHB
    if one.numa_node is None or other.numa_node is None:
        return Distance.UNKNOWN
    return Distance.NODE if one.numa_node == other.numa_node else Distance.SYS


def bridges_between(one: Place, other: Place) -> tuple[str, ...]:
    """The bridges between two functions, below the last bridge that both have in common.

    () when they have none in common: their traffic goes through the CPU's host bridge.
    """
    shared = _shared(one.bridges, other.bridges)
    if one.host_bridge != other.host_bridge or not shared:
        return ()
    return (*one.bridges[shared:], *other.bridges[shared:])


def _shared(one: Sequence[str], other: Sequence[str]) -> int:
    """The number of bridges that two functions have in common, from the root down."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
