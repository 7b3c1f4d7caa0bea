"""A large node: how much events cost, and what Allocate takes meanwhile."""

import asyncio
import time
from dataclasses import dataclass

from bench.calls import Call, allocate_of, caller, timed
from bench.samples import percentile
from bench.scale import Scale
from bench.sharing import Sharing
from bench.table import Row, megabytes, milliseconds
from bench.woken import EVENT, POD_EVENT, scans
from bench.workshop import Daemon, Workshop
from rdma_dp.aio.debounce import LONGEST, QUIET
from simulator.kubelet import ListReceived

_RESOURCES, _SLOTS, _VFS, _POD_EVENTS = 20, 500, 250, 1000
_SECONDS = 4.0  # of each measurement: one second with events, and what follows


@dataclass(frozen=True, slots=True)
class _Reading:
    cpu: float
    scans: int
    lists: int


async def crowd(workshop: Workshop, scale: Scale) -> list[Row]:
    """The largest host with 20 resources of 500 slots: CPU time, scans and lists in 4 seconds.

    At rest, then with 250 HCAs that appear, each with an event within one second, and with 1,000
    link events of pods' netdevs in one second. Allocate is called all the time: p99. As in
    `change`, the benchmark sends the events.
    """
    hcas = scale.hcas[-1]
    host = workshop.host(hcas)
    late = [f"mlx5_{number}" for number in range(hcas - min(_VFS, hcas // 2), hcas)]
    host.unplug(*late)
    async with workshop.woken_daemon(Sharing(hcas, resources=_RESOURCES, slots=_SLOTS)) as daemon:
        async with caller(daemon.socket, allocate_of("0")) as call:
            rows = await _rows("at rest", daemon, call, b"")
            host.plug(*late)
            rows += await _rows(f"{len(late)} HCAs appear", daemon, call, EVENT * len(late))
            pods = POD_EVENT * _POD_EVENTS
            rows += await _rows(f"{_POD_EVENTS:,} events of pods", daemon, call, pods)
        rows.append(Row("highest memory", megabytes(daemon.child.highest_memory())))
    return rows


async def _rows(case: str, daemon: Daemon, call: Call, events: bytes) -> list[Row]:
    before = _read(daemon)
    sending = asyncio.create_task(daemon.child.send_evenly(events, 1.0))
    taken: list[float] = []
    begin = time.perf_counter()
    while time.perf_counter() - begin < _SECONDS:
        taken += await timed(call, 1)
        await asyncio.sleep(0.01)
    await sending
    await asyncio.sleep(QUIET + LONGEST)
    after = _read(daemon)
    return [
        Row(f"{case}: CPU time", milliseconds(after.cpu - before.cpu)),
        Row(f"{case}: scans, lists", f"{after.scans - before.scans}, {after.lists - before.lists}"),
        Row(f"{case}: Allocate p99", milliseconds(percentile(taken, 99))),
    ]


def _read(daemon: Daemon) -> _Reading:
    lists = sum(isinstance(event, ListReceived) for event in daemon.kubelet.events)
    return _Reading(daemon.child.cpu(), scans(daemon.log), lists)
