"""The costs of CDI specs and device-info files."""

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
    """Writing CDI specs and device-info files after a scan: the median of several.

    The resource has one CDI spec, and each slot one device-info file. "First" writes all files to
    an empty directory. "Same" finds them unchanged. "Same, new process" reads the files of an
    earlier process. The ratios are to "first". Measured in this process, with files in memory, as
    in /run. kubelet's list is sent after the files are written.
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
    taken = _timed(files, pool), _timed(files, pool), _timed(later, pool)
    shutil.rmtree(directory)  # thousands of files in memory
    return taken


def _timed(files: SpecFiles, pool: Pool) -> float:
    begin = time.perf_counter()
    troubles = files.follow([pool])
    taken = time.perf_counter() - begin
    if troubles:
        raise BenchError("; ".join(troubles.values()))
    return taken
