"""The duration of NodePrepareResources, with DRA."""

import time
from functools import partial

from bench.samples import median, percentile
from bench.scale import Scale
from bench.sharing import Sharing
from bench.table import Row, at_most, latency, milliseconds
from bench.workshop import DRIVER, NODE, DraDaemon, Workshop
from rdma_dp.api_server.api_client import ApiClient
from rdma_dp.api_server.credentials import credentials_of
from rdma_dp.api_server.dra_api import DraApi
from rdma_dp.config import SlotsPer, Via

_MOST_HCAS = 64
_SHARE = 10  # of the calls: each writes two files
_AIM = 0.005  # seconds beside the GET


async def prepare(workshop: Workshop, scale: Scale) -> list[Row]:
    """NodePrepareResources of a new claim of one HCA, one at a time: p50 and p99.

    The daemon reads the claim from a fake API server in the benchmark's process, and writes the
    claim's file and its CDI spec. The ratio is to the same GET by the same client, from the
    benchmark's process. Files are in memory, so the time of a disk is not included.
    """
    rows = []
    for hcas in (count for count in scale.hcas if count <= _MOST_HCAS):
        sharing = Sharing(hcas, slots_per=SlotsPer.HCA, via=Via.DRA)
        async with workshop.dra_daemon(sharing) as daemon:
            taken, read = await _measured(daemon, max(scale.calls // _SHARE, 8))
        rows += _rows(f"{hcas} HCAs", taken, read)
    return rows


async def _measured(daemon: DraDaemon, count: int) -> tuple[list[float], list[float]]:
    """The durations of prepares and of GETs, in seconds. They take turns."""
    taken, read, device = [], [], min(daemon.api.devices())
    async with ApiClient(partial(credentials_of, daemon.environment)) as client:
        api = DraApi(client, NODE, DRIVER)
        for number in range(count):
            claim = daemon.claim(f"claim-{number}", device)
            begin = time.perf_counter()
            await daemon.kubelet.pods.start_pod("pod", DRIVER, [claim])
            prepared = time.perf_counter()
            await api.claim(claim.namespace, claim.name)
            read.append(time.perf_counter() - prepared)
            taken.append(prepared - begin)
            await daemon.kubelet.pods.end_pod("pod")
    return taken, read


def _rows(case: str, taken: list[float], read: list[float]) -> list[Row]:
    middle, worst = (latency(case, percent, taken, read, "GET") for percent in (50, 99))
    own = median(taken) - median(read)
    shown = f"{milliseconds(_AIM)} beside the GET"
    beside = Row(f"{case}, p99 beside the GET", milliseconds(percentile(taken, 99) - median(read)))
    return [middle.aimed(at_most(own, _AIM, shown)), worst, beside]
