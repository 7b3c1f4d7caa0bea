"""What NCCL makes of its variables: which HCAs it uses, and how far GPUDirect RDMA reaches. Pure.

From NCCL 2.27 and later: src/misc/utils.cc (parseStringList, matchIfList), src/transport/net_ib
(ncclIbInit, ncclIbGetGidIndex) and src/graph/paths.cc (ncclGetLevel, ncclTopoCheckGdr).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from rdma_dp.inventory.hardware import Hca, Port
from rdma_dp.inventory.topology import Distance

# The farthest distance at which a level allows GPUDirect RDMA. NCCL has no NODE: PHB covers it. The
# levels before PIX are of NVLink and of GPUs that share memory with the CPU: no PCIe path is as
# short. PXN and P2C are between PXB and PHB.
_NONE = -1
_REACH = {
    **dict.fromkeys(("LOC", "NVL", "NVB", "C2C"), _NONE),
    "PIX": Distance.PIX.rank,
    **dict.fromkeys(("PXB", "PXN", "P2C"), Distance.PXB.rank),
    "PHB": Distance.NODE.rank,
    "SYS": Distance.SYS.rank,
}
_OLD_NUMBERS = ("LOC", "PIX", "PXB", "PHB", "SYS")  # the last also stands for greater numbers


def allows_gpudirect(level: str, distance: Distance) -> bool | None:
    """Whether NCCL_NET_GDR_LEVEL allows GPUDirect RDMA at a distance; None: NCCL ignores the level.

    Also None for a distance that is not known.
    """
    if number := re.match(r"\d+", level, re.ASCII):
        level = _OLD_NUMBERS[min(int(number[0][:3]), len(_OLD_NUMBERS) - 1)]
    if level not in _REACH or distance is Distance.UNKNOWN:
        return None
    return distance.rank <= _REACH[level]


def is_level(level: str) -> bool:
    """Whether NCCL knows the level. It compares letters with their case."""
    return allows_gpudirect(level, Distance.PIX) is not None


def level_for(distance: Distance) -> str:
    """The shortest level that allows GPUDirect RDMA at a distance."""
    return "PHB" if distance is Distance.NODE else str(distance)


@dataclass(frozen=True, slots=True)
class HcaName:
    """One entry of NCCL_IB_HCA. `port` is None where the entry has no port."""

    name: str
    port: int | None = None

    def __str__(self) -> str:
        return self.name if self.port is None else f"{self.name}:{self.port}"


@dataclass(frozen=True, slots=True)
class HcaList:
    """A value of NCCL_IB_HCA: names or, without `exact`, beginnings of names."""

    entries: tuple[HcaName, ...] = ()
    exclude: bool = False
    exact: bool = False

    def uses(self, hca: Hca, port: Port) -> bool:
        """Whether NCCL uses a port. Without an entry it uses all."""
        found = any(self.matches(entry, hca, port) for entry in self.entries)
        return not self.entries or found is not self.exclude

    def matches(self, entry: HcaName, hca: Hca, port: Port) -> bool:
        """Whether an entry names the port."""
        alike = hca.name == entry.name if self.exact else hca.name.startswith(entry.name)
        return alike and entry.port in (None, port.number)

    def without_match(self, hcas: Iterable[Hca]) -> tuple[HcaName, ...]:
        """The entries that name no port of these HCAs."""
        ports = [(hca, port) for hca in hcas for port in hca.ports]
        return tuple(
            entry for entry in self.entries if not any(self.matches(entry, *each) for each in ports)
        )


def hca_list(value: str) -> HcaList:
    """Parse NCCL_IB_HCA: "^" first excludes, then "=" wants whole names; NAME:PORT by commas."""
    exclude = value.startswith("^")
    value = value.removeprefix("^")
    exact = value.startswith("=")
    found = map(_entry, value.removeprefix("=").split(","))
    return HcaList(tuple(entry for entry in found if entry.name), exclude, exact)


def _entry(text: str) -> HcaName:
    name, colon, rest = text.partition(":")
    digits = re.match(r"\d{1,9}", rest, re.ASCII)  # as atoi: 0 without digits
    return HcaName(name, (int(digits[0]) if digits else 0) if colon else None)
