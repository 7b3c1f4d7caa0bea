"""Reads the state of PCIe links: how fast and how wide a link is, and what its two ends can be."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from rdma_dp.host.files import Host
from rdma_dp.host.paths import PCI_DEVICES
from rdma_dp.inventory.pci_ids import MELLANOX
from rdma_dp.inventory.topology import Place

# "16.0 GT/s PCIe", before Linux 5.7 "16 GT/s"; "Unknown" (kernel drivers/pci/probe.c,
# pci_speed_string).
_SPEED = re.compile(r"(\d{1,4}(?:\.\d{1,2})?) GT/s.*", re.ASCII)
_WIDEST = 32  # lanes, PCI_EXP_LNKSTA_NLW; a VF has 0, and 255 is PCIE_LNK_WIDTH_UNKNOWN

N = TypeVar("N", int, float)


@dataclass(frozen=True, slots=True)
class Rate:
    """A speed in GT/s and a number of lanes. None: the end does not show it, as with a VF."""

    speed: float | None = None
    width: int | None = None

    def __str__(self) -> str:
        speed = "? GT/s" if self.speed is None else f"{self.speed:g} GT/s"
        return f"{speed} x{self.width or '?'}"


@dataclass(frozen=True, slots=True)
class LinkEnd:
    """One end of a link: what it runs at, and the most that it can."""

    address: str
    now: Rate
    most: Rate


@dataclass(frozen=True, slots=True)
class Link:
    """A link between a port (`above`) and the function or the switch below it."""

    above: LinkEnd
    below: LinkEnd

    @property
    def now(self) -> Rate:
        """What it runs at. Each value is known if one end shows it."""
        above, below = self.above.now, self.below.now
        return Rate(below.speed or above.speed, below.width or above.width)

    @property
    def most(self) -> Rate:
        """What both ends can. A value is known only if both ends show it."""
        above, below = self.above.most, self.below.most
        return Rate(_least(above.speed, below.speed), _least(above.width, below.width))

    @property
    def is_one(self) -> bool:
        """Whether the ends do not contradict each other, as the ends of one link do not."""
        above, below = self.above.now, self.below.now
        return not (_differ(above.speed, below.speed) or _differ(above.width, below.width))

    @property
    def is_known(self) -> bool:
        """Whether a value can be compared with what both ends can."""
        now, most = self.now, self.most
        return None not in (now.speed, most.speed) or None not in (now.width, most.width)

    @property
    def is_slow(self) -> bool:
        """Whether it is slower or narrower than both ends can."""
        now, most = self.now, self.most
        return _below(now.speed, most.speed) or _below(now.width, most.width)


def read_links(host: Host, place: Place, vendors: Mapping[str, str | None]) -> Iterator[Link]:
    """The links between a host bridge and a function, the nearest to the CPU first.

    `vendors` are those of the bridges. A port inside of an HCA has no link of its own.
    """
    for above, below in _pairs(place):
        if vendors.get(above) != MELLANOX:
            link = Link(_end(host, above), _end(host, below))
            if link.is_one:
                yield link


def _pairs(place: Place) -> Iterator[tuple[str, str]]:
    """The addresses at the two ends of each link.

    A switch has an upstream port and downstream ports. So below the root port every second step is
    inside of a switch, and the number of bridges is odd. Where it is even, the tree does not show
    all bridges, and only the last step is certain to be a link.
    """
    chain = (*place.bridges, place.address)
    if len(place.bridges) % 2:
        yield from zip(chain[::2], chain[1::2], strict=True)
    elif place.bridges:
        yield chain[-2], chain[-1]


def _end(host: Host, address: str) -> LinkEnd:
    path = f"{PCI_DEVICES}/{address}"
    now, most = (
        Rate(
            _speed(host.read_or_none(f"{path}/{which}_link_speed")),
            _width(host.read_int_or_none(f"{path}/{which}_link_width")),
        )
        for which in ("current", "max")
    )
    return LinkEnd(address, now, most)


def _speed(text: str | None) -> float | None:
    found = _SPEED.fullmatch(text or "")
    return float(found[1]) or None if found else None


def _width(number: int | None) -> int | None:
    return number if number is not None and 0 < number <= _WIDEST else None


def _least(one: N | None, other: N | None) -> N | None:
    return None if one is None or other is None else min(one, other)


def _differ(one: float | None, other: float | None) -> bool:
    return None not in (one, other) and one != other


def _below(now: float | None, most: float | None) -> bool:
    return now is not None and most is not None and now < most
