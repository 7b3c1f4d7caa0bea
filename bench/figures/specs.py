"""What the files beside kubelet's list cost."""

import shutil
import time
from pathlib import Path

from bench.process import BenchError
from bench.samples import median
from bench.scale import Scale
from bench.sharing import Sharing
from bench.table import Row, milliseconds, times
from bench.workshop import Workshop
from rdma_dp.config import CdiMode, SlotsPer
from rdma_dp.sharing.pool import Pool
from rdma_dp.specs.publisher import SpecFiles

_SHARINGS = {
    "CDI, 8 HCAs": Sharing(8, slots_per=SlotsPer.HCA, cdi=CdiMode.CRI),
    "CDI, 512 HCAs": Sharing(512, slots_per=SlotsPer.HCA, cdi=CdiMode.CRI),
    "device-info, 504 slots": Sharing(8, slots_per=SlotsPer.HCA, slots=63, device_info=True),
    "device-info, 10,000 slots": Sharing(80, slots_per=SlotsPer.HCA, slots=125, device_info=True),
}


async def specs(workshop: Workshop, scale: Scale) -> list[Row]:
    """CDI specs and device-info files, after a look at the node: the median of several.

    One CDI spec for the resource; one device-info file for each slot. "First" writes them all into
    an empty directory, "same" finds all as it left them, and "same, new process" reads what an
    earlier one wrote; the ratios are to "first". In this process, with files in memory, as those
    in /run are. kubelet's list waits for it.
    """
    rows = []
    for case, sharing in _SHARINGS.items():
        pool = workshop.pool(sharing)
        rounds = [_round(pool, workshop.directory()) for _ in range(scale.builds)]
        first, same, anew = (median(samples) for samples in zip(*rounds, strict=True))
        rows += [
            Row(f"{case}, first", milliseconds(first)),
            Row(f"{case}, same", milliseconds(same), times(same, first, "first")),
            Row(f"{case}, same, new process", milliseconds(anew), times(anew, first, "first")),
        ]
    return rows


def _round(pool: Pool, directory: Path) -> tuple[float, float, float]:
    files, later = (SpecFiles(directory / "cdi", directory / "devinfo") for _ in range(2))
    taken = _followed(files, pool), _followed(files, pool), _followed(later, pool)
    shutil.rmtree(directory)  # thousands of files in memory
    return taken


def _followed(files: SpecFiles, pool: Pool) -> float:
    begin = time.perf_counter()
    troubles = files.follow([pool])
    taken = time.perf_counter() - begin
    if troubles:
        raise BenchError("; ".join(troubles.values()))
    return taken
