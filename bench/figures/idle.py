"""The costs of an idle daemon."""

import asyncio

from bench.calls import allocate_of, echo
from bench.process import Child, Usage, used_between
from bench.scale import Scale
from bench.sharing import Sharing
from bench.table import Row, at_most, milliseconds, times
from bench.workshop import Workshop

_AIM = 0.001  # of one core
_SETTLING = 2.0  # seconds after the start


async def idle(workshop: Workshop, scale: Scale) -> list[Row]:
    """CPU time and voluntary context switches of all threads while nothing happens.

    8 HCAs, four resources with open streams to kubelet. The figure includes polling every few
    seconds for changes without an event, and one full scan by the timer in 60 s. A bare grpc.aio
    server with one client is measured at the same time: its wake-ups are gRPC's own.
    """
    async with (
        workshop.daemon(Sharing(8, resources=4)) as daemon,
        echo(workshop, allocate_of("0"), 1) as (bare, _),
    ):
        await asyncio.sleep(_SETTLING)
        ours, echos = await asyncio.gather(_used(daemon.child, scale.idle), _used(bare, scale.idle))
        threads = len(daemon.child.usages()), len(bare.usages())
    share, seconds = ours.cpu / scale.idle, f"in {scale.idle:g} s"
    aim = at_most(share, _AIM, f"{_AIM:.1%}")
    return [
        Row(f"CPU time {seconds}", milliseconds(ours.cpu), f"{share:.3%} of a core", aim),
        Row(f"CPU time {seconds}, echo", milliseconds(echos.cpu)),
        Row(f"wake-ups {seconds}", str(ours.wakeups), f"{ours.wakeups / scale.idle:.1f} a second"),
        Row(f"wake-ups {seconds}, echo", str(echos.wakeups)),
        Row("threads", str(threads[0]), times(threads[0], threads[1], "echo")),
    ]


async def _used(child: Child, seconds: float) -> Usage:
    before = child.usages()
    await asyncio.sleep(seconds)
    return used_between(before, child.usages())
