"""The time until kubelet has all lists again after its restart."""

import asyncio
import time
from itertools import cycle, islice

from bench.samples import percentile
from bench.scale import Scale
from bench.sharing import Sharing
from bench.table import Row, at_most, milliseconds
from bench.workshop import Daemon, Workshop

_MODES = ("device-plugins", "plugins-registry")
_AIM = 0.1  # seconds, p99

# Seconds between kubelet's stop and start, in turn, so that it starts at different moments of the
# daemon's waits.
_ABSENCES = (0.0, 0.1, 0.3, 1.0)


async def restart(workshop: Workshop, scale: Scale) -> list[Row]:
    """From kubelet's start until it has the full list of every resource again: p50 and p99.

    8 HCAs. kubelet stops and starts again within a second. At its start it empties its directory,
    creates kubelet.sock and knows no plugin. The time begins just before that. The daemon runs all
    the time. The simulated kubelet dials sockets in plugins_registry at once; kubelet itself may
    take up to a second. If it finds a socket while the daemon creates it again, it waits half a
    second or more before it dials again, as kubelet does: this is the worst case. The Go plugin
    takes 0.4 to 4.7 s.
    """
    rows = []
    for mode in _MODES:
        for resources in (1, 4):
            async with workshop.daemon(Sharing(8, resources=resources), mode=mode) as daemon:
                absences = islice(cycle(_ABSENCES), scale.restarts)
                samples = [await _back(daemon, absence) for absence in absences]
            rows += _rows(f"{mode}, {resources} resource{'s' * (resources > 1)}", samples)
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
