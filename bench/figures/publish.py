"""ResourceSlices: how soon they are there, how many requests they take, and the memory of DRA."""

import asyncio
import time

from bench.samples import median
from bench.scale import Scale
from bench.sharing import Sharing
from bench.table import Row, at_most, megabytes, milliseconds, times
from bench.workshop import DRIVER, NODE, DraDaemon, Workshop
from rdma_dp.config import SlotsPer, Via

_HCAS = 8
_AFTER_START, _AFTER_DELETION = 0.5, 0.1  # seconds, the aims
_PODS = 10


async def dra(workshop: Workshop, scale: Scale) -> list[Row]:
    """DRA at 8 HCAs: its ResourceSlice, its requests, and its memory.

    The slice is published after a first start: the time counts from kubelet's registration of the
    driver, and is 0 if the slice was there before. kubelet deletes all slices of its node when it
    starts; the second time counts from that deletion. Requests are those that the API server has
    answered: for each pod, and at rest. The memory is VmRSS after the start, beside that of a
    daemon with the same resource as a device plugin.
    """
    starts, deletions, memories = [], [], []
    sharing = Sharing(_HCAS, slots_per=SlotsPer.HCA, via=Via.DRA)
    requests: list[Row] = []
    for number in range(scale.starts):
        async with workshop.dra_daemon(sharing) as daemon:
            starts.append(daemon.registered_to_published)
            memories.append(daemon.child.memory())
            if not number:
                requests = await _requests(daemon, scale)
            deletions.append(await _back(daemon))
    async with workshop.daemon(Sharing(_HCAS, slots_per=SlotsPer.HCA)) as plugin:
        without = plugin.child.memory()
    return [
        _latency("slice after registration", starts, _AFTER_START),
        _latency("slice after kubelet's deletion", deletions, _AFTER_DELETION),
        *requests,
        Row("memory without DRA", megabytes(without)),
        Row(
            "memory with DRA",
            megabytes(median(memories)),
            times(median(memories), without, "without DRA"),
        ),
    ]


async def _back(daemon: DraDaemon) -> float:
    """Only the first deletion: the daemon waits longer after each further one."""
    await daemon.api.until(lambda: len(daemon.api.devices()) == _HCAS)
    begin = time.perf_counter()
    daemon.api.delete_slices(NODE)
    await daemon.api.until(lambda: len(daemon.api.devices()) == _HCAS)
    return time.perf_counter() - begin


async def _requests(daemon: DraDaemon, scale: Scale) -> list[Row]:
    api, device = daemon.api, min(daemon.api.devices())
    before = len(api.answered)
    await asyncio.sleep(scale.idle)
    idle = len(api.answered) - before
    before = len(api.answered)
    for number in range(_PODS):
        await daemon.kubelet.pods.start_pod("pod", DRIVER, [daemon.claim(f"c-{number}", device)])
        await daemon.kubelet.pods.end_pod("pod")
    pods = (len(api.answered) - before) / _PODS
    return [
        Row("requests for each pod", f"{pods:.1f}", "", at_most(pods, 1, "1")),
        Row(f"requests at rest in {scale.idle:g} s", str(idle)),
    ]


def _latency(case: str, samples: list[float], aim: float) -> Row:
    middle = median(samples)
    worst = f"{len(samples)} starts, worst {milliseconds(max(samples))}"
    return Row(case, milliseconds(middle), worst, at_most(middle, aim, milliseconds(aim)))
