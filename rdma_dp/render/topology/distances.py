"""The distance between each GPU and each HCA, in lines. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from rdma_dp.inventory.hardware import Hca
from rdma_dp.inventory.topology import Distance, Gpu, Topology
from rdma_dp.text import NAMES_IN_LINE, grouped, some

_LINES = 40  # with more lines, HCAs with the same distances share one


@dataclass(frozen=True, slots=True)
class Cell:
    """One distance; `nearest` if no HCA is nearer to this GPU."""

    distance: Distance | None
    nearest: bool


Line = tuple[str, tuple[Cell, ...]]


def lines(topology: Topology, gpus: Sequence[Gpu], hcas: Sequence[Hca]) -> list[Line]:
    """One line per HCA with one cell per GPU. Many HCAs with the same distances share a line."""
    shortest = [topology.nearest(gpu, hcas)[0] for gpu in gpus]
    found = [(hca.name, _cells(topology, hca, gpus, shortest)) for hca in hcas]
    if len(found) <= _LINES:
        return found
    return [(some(names, NAMES_IN_LINE), cells) for names, cells in grouped(found)]


def _cells(
    topology: Topology, hca: Hca, gpus: Sequence[Gpu], shortest: Sequence[Distance | None]
) -> tuple[Cell, ...]:
    distances = (topology.distance(gpu, hca) for gpu in gpus)
    return tuple(
        Cell(d, d is not None and d is s) for d, s in zip(distances, shortest, strict=True)
    )
