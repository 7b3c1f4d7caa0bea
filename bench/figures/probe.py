"""The cost of kubelet's probes."""

import asyncio
import resource
from pathlib import Path

from bench.process import BenchError, running
from bench.scale import Scale
from bench.table import Row, milliseconds, times
from bench.workshop import Workshop
from rdma_dp.metrics import Metrics
from rdma_dp.monitoring.http_server import Pages
from rdma_dp.monitoring.listeners import probe_pages
from rdma_dp.monitoring.observed import Observed

_PAGES = Pages(probe_pages(Observed(Metrics(), lambda: None, tuple)))
_PROBE = "import sys; from rdma_dp.cli.probe import main; sys.exit(main())"


async def probe(workshop: Workshop, scale: Scale) -> list[Row]:
    """The CPU time of one exec probe, `rdma-dp-probe live`, against the daemon's pages.

    Most of it is the start of Python, which the first row has alone. kubelet runs three probes in
    ten seconds with the manifests in deploy/. The figure is the mean of several processes.
    """
    directory = workshop.directory()
    socket, log = directory / "probe.sock", directory / "log"
    async with await asyncio.start_unix_server(_PAGES.serve, socket):
        bare = await _cpu(workshop, log, scale.starts, "pass")
        asked = await _cpu(workshop, log, scale.starts, _PROBE, "live", str(socket))
    return [
        Row("the bare interpreter", milliseconds(bare)),
        Row("rdma-dp-probe live", milliseconds(asked), times(asked, bare, "bare")),
    ]


async def _cpu(workshop: Workshop, log: Path, count: int, *words: str) -> float:
    """The CPU seconds of one process, the mean of `count`."""
    before = _used()
    for _ in range(count):
        async with running("-c", *words, log=log, environment=workshop.environment) as child:
            if await child.ended() != 0:
                raise BenchError("the probe failed")
    return (_used() - before) / count


def _used() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime
