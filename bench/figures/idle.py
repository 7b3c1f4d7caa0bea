"""The costs of an idle daemon."""

import asyncio
from collections.abc import Sequence

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
    events, so the names of all devices and the states of up to 64 ports are read every 5 seconds. A
    live host reads only the states of its InfiniBand ports. periodicUpdateInterval is 0. A bare
    grpc.aio server with one client is measured at the same time: its wake-ups are gRPC's own.
    """
    rows = []
    async with echo(workshop, allocate_of("0"), 1) as (bare, _):
        for hcas in scale.hcas:
            sharing = Sharing(hcas, resources=4, periodic_update_interval=0)
            async with workshop.daemon(sharing) as daemon:
                await asyncio.sleep(_SETTLING)
                measured = await asyncio.gather(
                    _used(daemon.child, scale.idle), _used(bare, scale.idle)
                )
                rows += _rows(hcas, measured, scale.idle)
                threads = len(daemon.child.usages()), len(bare.usages())
    return [*rows, Row("threads", str(threads[0]), times(threads[0], threads[1], "echo"))]


def _rows(hcas: int, measured: Sequence[Usage], seconds: float) -> list[Row]:
    ours, echos = measured
    cpu = ours.cpu * 10 / seconds
    aim = at_most(cpu, _AIM, milliseconds(_AIM))
    ratio = times(ours.cpu, echos.cpu, f"echo ({milliseconds(echos.cpu * 10 / seconds)})")
    return [
        Row(f"{hcas} HCAs, CPU time in 10 s", milliseconds(cpu), ratio, aim),
        Row(
            f"{hcas} HCAs, wake-ups in 10 s",
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
