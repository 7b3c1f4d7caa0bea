"""How soon kubelet has everything again after its own restart."""

import asyncio
import time
from itertools import cycle, islice

from bench.samples import percentile
from bench.scale import Scale
from bench.sharing import Sharing
from bench.table import Row, at_most, milliseconds
from bench.workshop import Daemon, Workshop

_WAYS = ("device-plugins", "plugins-registry")
_AIM = 0.1  # seconds, p99

# Seconds for which kubelet stays away, in turn: it comes back at any moment of the daemon's waits.
_ABSENCES = (0.0, 0.1, 0.3, 1.0)


async def restart(workshop: Workshop, scale: Scale) -> list[Row]:
    """kubelet's start until it holds the full list of every resource again: p50 and p99.

    8 HCAs; kubelet stops, stays away for up to a second, and starts: it sweeps its directory,
    makes kubelet.sock anew and knows nobody. The clock starts just before. The daemon runs all the
    time. The stand-in dials what it finds in plugins_registry at once, where kubelet itself may let
    up to a second pass; where it meets a socket in the very moment in which the daemon makes it
    anew, it waits half a second or more before it dials again, as kubelet does: that is the worst.
    The Go plugin takes 0.4 to 4.7 s.
    """
    rows = []
    for way in _WAYS:
        for resources in (1, 4):
            async with workshop.daemon(Sharing(8, resources=resources), way=way) as daemon:
                absences = islice(cycle(_ABSENCES), scale.restarts)
                samples = [await _back(daemon, absence) for absence in absences]
            rows += _rows(f"{way}, {resources} resource{'s' * (resources > 1)}", samples)
    return rows


async def _back(daemon: Daemon, absence: float) -> float:
    await daemon.kubelet.stop()
    await asyncio.sleep(absence)
    begin = time.perf_counter()
    await daemon.kubelet.start()
    await daemon.until(daemon.complete)
    return time.perf_counter() - begin


def _rows(case: str, samples: list[float]) -> list[Row]:
    slowest = percentile(samples, 99)
    return [
        Row(f"{case}, p50", milliseconds(percentile(samples, 50)), f"{len(samples)} restarts"),
        Row(
            f"{case}, p99",
            milliseconds(slowest),
            f"worst {milliseconds(max(samples))}",
            at_most(slowest, _AIM, milliseconds(_AIM)),
        ),
    ]
