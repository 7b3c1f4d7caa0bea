"""How soon kubelet knows."""

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
    """An HCA goes or comes back, until kubelet holds the new list: p50 and p99.

    8 HCAs, eight resources of one HCA each; that of the first goes and comes back, so its slots
    turn Unhealthy and Healthy again. On a stand-in host no kernel speaks, so the clock starts when
    the change is complete on disk and the daemon is woken, as an event of the kernel wakes it. In
    it are 100 ms for further events to come, the scan, and the list's way to kubelet; the kernel's
    own part is not, but is in the tests in the virtual machine. The Go plugin looks once a minute.
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
    daemon.child.tell(EVENT)
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
