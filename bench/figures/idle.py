"""The costs of an idle daemon."""

import asyncio

from bench.calls import allocate_of, echo
from bench.process import Child, Usage, used_between
from bench.scale import Scale
from bench.sharing import Sharing
from bench.table import Row, at_most, milliseconds, times
from bench.workshop import Workshop

_AIM = 0.005  # seconds of CPU time in 10 s
_SETTLING = 2.0  # seconds after the start


async def idle(workshop: Workshop, scale: Scale) -> list[Row]:
    """CPU time and voluntary context switches while nothing happens, for each number of HCAs.

    One resource per HCA up to four, with open streams to kubelet. The simulated host sends no
    events, so the names of all devices and the states of up to 64 ports are read every 5 seconds.
    The daemon on this machine's own /sys gets events. On such a host only the states of InfiniBand
    ports are read, or one file every 15 seconds if there are none. periodicUpdateInterval is 0. A
    bare grpc.aio server with one client is measured at the same time: its wake-ups are gRPC's own.
    """
    rows = []
    async with echo(workshop, allocate_of("0"), 1) as (bare, _):
        for hcas in scale.hcas:
            sharing = Sharing(hcas, resources=4, periodic_update_interval=0)
            async with workshop.daemon(sharing) as daemon:
                rows += await _rows(f"{hcas} HCAs", daemon.child, bare, scale.idle)
                threads = len(daemon.child.usages()), len(bare.usages())
        async with workshop.daemon_here() as daemon:
            rows += await _rows("this machine's /sys", daemon.child, bare, scale.idle)
    return [*rows, Row("threads", str(threads[0]), times(threads[0], threads[1], "echo"))]


async def _rows(case: str, child: Child, bare: Child, seconds: float) -> list[Row]:
    await asyncio.sleep(_SETTLING)
    ours, echos = await asyncio.gather(_used(child, seconds), _used(bare, seconds))
    cpu = ours.cpu * 10 / seconds
    aim = at_most(cpu, _AIM, milliseconds(_AIM))
    ratio = times(ours.cpu, echos.cpu, f"echo ({milliseconds(echos.cpu * 10 / seconds)})")
    return [
        Row(f"{case}, CPU time in 10 s", milliseconds(cpu), ratio, aim),
        Row(
            f"{case}, wake-ups in 10 s",
            f"{ours.wakeups * 10 / seconds:.0f}",
            times(ours.wakeups, echos.wakeups, "echo"),
        ),
    ]


async def _used(child: Child, seconds: float) -> Usage:
    """The CPU time of all threads, and the wake-ups of those that live for the whole time."""
    before, begin = child.usages(), child.cpu()
    await asyncio.sleep(seconds)
    used = used_between(before, child.usages())
    return Usage(child.cpu() - begin, used.wakeups)
