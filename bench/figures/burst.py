"""The number of scans after many events."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench.scale import Scale
from bench.sharing import Sharing
from bench.table import Row, at_most, milliseconds
from bench.woken import EVENT, scans
from bench.workshop import Daemon, Known, Workshop
from rdma_dp.aio.debounce import LONGEST, QUIET
from simulator.host import SimulatedHost

_EVENTS = 1000
_AIM = 5  # scans
_HCA = "mlx5_0"  # the only one of the first resource


@dataclass(frozen=True, slots=True)
class _Outcome:
    scans: int
    late: float  # seconds from the last event to the new list at kubelet


async def burst(workshop: Workshop, scale: Scale) -> list[Row]:
    """The number of scans after 1,000 events: the most of several bursts.

    The events come all at once, or one each millisecond. Before the last event, an HCA disappears;
    in the next burst it comes back. The scans are counted after kubelet has the new list and no
    further scan can follow. As in `change`, the benchmark wakes the daemon as a kernel event would.
    """
    rows = []
    async with workshop.woken_daemon(Sharing(8, resources=8)) as daemon:
        for case, seconds in (("at once", 0.0), ("in 1 s", 1.0)):
            outcomes = await _bursts(daemon, workshop.host(8), scale.bursts, seconds)
            most = max(outcome.scans for outcome in outcomes)
            late = max(outcome.late for outcome in outcomes)
            rows.append(
                Row(
                    f"scans after {_EVENTS:,} events {case}",
                    str(most),
                    f"list {milliseconds(late)} after the last",
                    at_most(most, _AIM, str(_AIM)),
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
    before = scans(daemon.log)
    await _events(daemon, _EVENTS - 1, seconds)
    happen(_HCA)
    last = time.perf_counter()
    daemon.child.send(EVENT)
    await daemon.until(known)
    late = time.perf_counter() - last
    await asyncio.sleep(QUIET + LONGEST)
    return _Outcome(scans(daemon.log) - before, late)


async def _events(daemon: Daemon, count: int, seconds: float) -> None:
    if seconds:
        await daemon.child.send_evenly(EVENT * count, seconds)
    else:
        daemon.child.send(EVENT * count)
