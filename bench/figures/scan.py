"""The duration of a scan."""

from itertools import pairwise

from bench.samples import median, timed
from bench.scale import Scale
from bench.table import Row, at_most, milliseconds
from bench.workshop import Workshop
from rdma_dp import discovery
from rdma_dp.host.files import Host


async def scan(workshop: Workshop, scale: Scale) -> list[Row]:
    """One complete scan, from host to Inventory: the median of several, in this process.

    The hosts have N ConnectX-7 functions, each with one HCA, netdev, uverbs and umad, and 32 other
    PCI functions. Their files are in memory. On a real node /sys is slower, and RDMA netlink and
    the check of /dev are added. The ratio is to the previous host, which has an eighth of the HCAs:
    8 means linear, 64 quadratic.
    """
    taken = {hcas: _median_scan(workshop, hcas, scale.scans) for hcas in scale.hcas}
    rows = [Row(f"{hcas} HCAs", milliseconds(value)) for hcas, value in taken.items()]
    return rows[:1] + [
        Row(row.case, row.value, *_growth(taken[fewer], taken[more], fewer))
        for row, (fewer, more) in zip(rows[1:], pairwise(scale.hcas), strict=True)
    ]


def _growth(before: float, after: float, hcas: int) -> tuple[str, str]:
    ratio = after / before
    return f"{ratio:.2f} x {hcas} HCAs", at_most(ratio, 10, "10 x")


def _median_scan(workshop: Workshop, hcas: int, count: int) -> float:
    host = Host(workshop.host(hcas).root)
    return median([timed(lambda: discovery.scan(host)) for _ in range(count)])
