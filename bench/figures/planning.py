"""What a scan of a large config costs the calls that arrive meanwhile."""

import asyncio

from bench.calls import allocate_of, caller, timed
from bench.scale import Scale
from bench.sharing import Sharing
from bench.table import Row, latency
from bench.woken import EVENT
from bench.workshop import Workshop

_HCAS = 250
_GLOBS = 18_900  # a config may hold 20,000 values
_REQUEST = allocate_of("0")
_PAUSE = 0.05  # seconds between two events


async def planning(workshop: Workshop, scale: Scale) -> list[Row]:
    """Allocate while scan follows scan, with 18,900 globs before 250 HCAs: p50 and p99.

    An event every 50 ms keeps the daemon scanning and planning all the time. The same calls to the
    same daemon at rest stand beside it. The difference is what planning costs a container start.
    """
    sharing = Sharing(_HCAS, globs=_GLOBS)
    async with (
        workshop.woken_daemon(sharing) as daemon,
        caller(daemon.socket, _REQUEST) as call,
    ):
        await timed(call, scale.calls // 4)
        at_rest = await timed(call, scale.calls)

        async def events() -> None:
            while True:
                daemon.child.send(EVENT)
                await asyncio.sleep(_PAUSE)

        waking = asyncio.create_task(events())
        try:
            await asyncio.sleep(1.0)
            busy = await timed(call, scale.calls)
        finally:
            waking.cancel()
    case = f"{_HCAS} HCAs, {_GLOBS:,} globs, scanning"
    return [latency(case, percent, busy, at_rest, "at rest") for percent in (50, 99)]
