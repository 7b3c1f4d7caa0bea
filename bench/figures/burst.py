"""What a storm of events costs."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench.scale import Scale
from bench.sharing import Sharing
from bench.table import Row, at_most, milliseconds
from bench.woken import EVENT, looks
from bench.workshop import Daemon, Known, Workshop
from rdma_dp.aio.debounce import LONGEST, QUIET
from simulator.host import SimulatedHost

_EVENTS = 1000
_HANDFUL = 5  # scans
_HCA = "mlx5_0"  # the only one of the first resource


@dataclass(frozen=True, slots=True)
class _Outcome:
    scans: int
    late: float  # seconds from the last event to the new list at kubelet


async def burst(workshop: Workshop, scale: Scale) -> list[Row]:
    """1,000 events: how many scans they lead to, the most of several bursts.

    All at once, or one each millisecond. With the last one an HCA goes, or comes back with that of
    the next burst; the scans are counted when kubelet holds the new list and nothing more can
    follow. As in `change`, the daemon is woken where an event of the kernel would wake it.
    """
    rows = []
    async with workshop.woken_daemon(Sharing(8, resources=8)) as daemon:
        for case, seconds in (("at once", 0.0), ("in 1 s", 1.0)):
            outcomes = await _bursts(daemon, workshop.host(8), scale.bursts, seconds)
            scans = max(outcome.scans for outcome in outcomes)
            late = max(outcome.late for outcome in outcomes)
            rows.append(
                Row(
                    f"scans after {_EVENTS:,} events {case}",
                    str(scans),
                    f"list {milliseconds(late)} after the last",
                    at_most(scans, _HANDFUL, str(_HANDFUL)),
                )
            )
    return rows


async def _bursts(
    daemon: Daemon, host: SimulatedHost, count: int, seconds: float
) -> list[_Outcome]:
    outcomes = []
    for _ in range(count // 2):
        outcomes.append(await _burst(daemon, seconds, host.unplug, daemon.first_gone))
        outcomes.append(await _burst(daemon, seconds, host.plug, daemon.complete))
    return outcomes


async def _burst(
    daemon: Daemon, seconds: float, happen: Callable[[str], None], known: Known
) -> _Outcome:
    before = looks(daemon.log)
    await _events(daemon, _EVENTS - 1, seconds)
    happen(_HCA)
    last = time.perf_counter()
    daemon.child.tell(EVENT)
    await daemon.until(known)
    late = time.perf_counter() - last
    await asyncio.sleep(QUIET + LONGEST)
    return _Outcome(looks(daemon.log) - before, late)


async def _events(daemon: Daemon, count: int, seconds: float) -> None:
    """Evenly spread, whatever a sleep really takes."""
    if not seconds:
        daemon.child.tell(EVENT * count)
        return
    begin = time.perf_counter()
    for number in range(count):
        daemon.child.tell(EVENT)
        ahead = begin + (number + 1) * seconds / count - time.perf_counter()
        await asyncio.sleep(max(ahead, 0))
