"""The time until kubelet has a changed list."""

import time
from collections.abc import Callable

from bench.samples import percentile
from bench.scale import Scale
from bench.sharing import Sharing
from bench.table import Row, at_most, milliseconds
from bench.woken import EVENT
from bench.workshop import Daemon, Known, Workshop

_AIMS = {50: 0.2, 99: 0.5}  # seconds, by percentile
_HCA = "mlx5_0"  # the only one of the first resource


async def change(workshop: Workshop, scale: Scale) -> list[Row]:
    """From the loss or the return of an HCA until kubelet has the new list: p50 and p99.

    8 HCAs, eight resources of one HCA each. The HCA of the first resource disappears and comes
    back, so its slots turn Unhealthy and Healthy again. A simulated host has no kernel that sends
    events. So the time starts when the change is complete on disk and the daemon is woken. It
    includes the wait of 100 ms for further events, the scan, and sending the list to kubelet. It
    does not include the kernel's part; the tests in the virtual machine do. The Go plugin scans
    once a minute.
    """
    host = workshop.host(8)
    gone, back = [], []
    async with workshop.woken_daemon(Sharing(8, resources=8)) as daemon:
        for _ in range(scale.changes // 2):
            gone.append(await _seen(daemon, host.unplug, daemon.first_gone))
            back.append(await _seen(daemon, host.plug, daemon.complete))
    return [*_rows("HCA gone", gone), *_rows("HCA back", back)]


async def _seen(daemon: Daemon, happen: Callable[[str], None], known: Known) -> float:
    happen(_HCA)
    begin = time.perf_counter()
    daemon.child.send(EVENT)
    await daemon.until(known)
    return time.perf_counter() - begin


def _rows(case: str, samples: list[float]) -> list[Row]:
    return [
        Row(
            f"{case}, p{percent}",
            milliseconds(value := percentile(samples, percent)),
            f"{len(samples)} changes" if percent == 50 else f"worst {milliseconds(max(samples))}",
            at_most(value, aim, milliseconds(aim)),
        )
        for percent, aim in _AIMS.items()
    ]
