"""The duration of a stop."""

import time

from bench.samples import percentile
from bench.scale import Scale
from bench.sharing import Sharing
from bench.table import Row, at_most, milliseconds
from bench.workshop import Workshop

_AIM = 0.2  # seconds


async def stop(workshop: Workshop, scale: Scale) -> list[Row]:
    """From SIGTERM until the process is gone, with all streams to kubelet open: median and worst.

    One daemon has one resource, the other four; both have 8 HCAs.
    """
    rows = []
    for resources in (1, 4):
        samples = [await _stopped(workshop, resources) for _ in range(scale.starts)]
        middle, worst = percentile(samples, 50), max(samples)
        rows.append(
            Row(
                f"{resources} resource{'s' * (resources > 1)}",
                milliseconds(middle),
                f"worst {milliseconds(worst)}",
                at_most(worst, _AIM, milliseconds(_AIM)),
            )
        )
    return rows


async def _stopped(workshop: Workshop, resources: int) -> float:
    async with workshop.daemon(Sharing(8, resources=resources)) as daemon:
        begin = time.perf_counter()
        await daemon.child.terminate()
        return time.perf_counter() - begin
