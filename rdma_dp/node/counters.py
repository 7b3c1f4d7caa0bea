"""Reads the counters of HCAs twice, some seconds apart, and compares: which grew, and by how much.

Each reading is a command to the adapter's firmware, so it is done only when a person asks for it.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from rdma_dp.discovery.port_counters_reading import read_port
from rdma_dp.host.files import Host
from rdma_dp.host.netlink.hw_counters import HwCounters
from rdma_dp.inventory.counter_meanings import Kind, kind_of
from rdma_dp.inventory.hardware import Hca

Counter = tuple[str, int, str]  # an HCA, the number of its port, the name of the counter
Reading = Mapping[Counter, int]


@dataclass(frozen=True, slots=True)
class Growth:
    """What two readings have in common, and what grew between them.

    `by` maps the counters that grew to their growth. `readable` is the number of counters that
    both readings have. `live` is False for a captured host, whose files never change.
    """

    seconds: float
    live: bool
    readable: int
    by: Mapping[Counter, int]


def watch(
    host: Host, hcas: Iterable[Hca], seconds: float, wait: Callable[[float], None] = time.sleep
) -> Growth:
    """Reads the counters of the HCAs twice, `seconds` apart."""
    found = tuple(hcas)
    before = read(host, found)
    if host.live:
        wait(seconds)
    return growth(before, read(host, found), seconds, live=host.live)


def growth(before: Reading, after: Reading, seconds: float, *, live: bool) -> Growth:
    """What grew. A counter that is smaller than before was reset, and is ignored."""
    both = [counter for counter, value in after.items() if value >= before.get(counter, value + 1)]
    by = {each: after[each] - before[each] for each in both if after[each] > before[each]}
    return Growth(seconds, live, len(both), by)


def read(host: Host, hcas: Iterable[Hca]) -> Reading:
    """The counters of errors and congestion that hold a number, and not "N/A (no PMA)"."""
    found = {}
    with HwCounters(live=host.live).asking() as ask:
        for hca in hcas:
            for port in hca.ports:
                raw = read_port(host, hca, port.number, _shows_more, ask)
                for name, value in (*raw.own.items(), *raw.standard.items()):
                    if value is not None:
                        found[hca.name, port.number, name] = value
    return found


def _shows_more(name: str) -> bool:
    """Whether growth shows more than traffic, which grows on a healthy port."""
    return kind_of(name) in (Kind.ERROR, Kind.CONGESTION)
