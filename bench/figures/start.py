"""The duration of a start until kubelet has the list."""

from bench.figures.imports import median_process
from bench.samples import median
from bench.scale import Scale
from bench.sharing import Sharing
from bench.table import Row, at_most, milliseconds, times
from bench.workshop import Workshop

_MODES = ("device-plugins", "plugins-registry")

# Times the duration of `python -c "import grpc.aio"`, for 8 HCAs and for more.
_AIM_OF_8, _AIM_OF_512 = 2.2, 3.5


async def start(workshop: Workshop, scale: Scale) -> list[Row]:
    """From exec of `python -m rdma_dp run` until kubelet has the full list, in both modes.

    The median of several starts with compiled bytecode. One resource takes every HCA. The simulated
    kubelet runs in the benchmark's process, on the same cores. It dials a new socket in
    plugins_registry at once; kubelet itself may take up to a second. With this machine's own /sys,
    the daemon also follows kernel events, as on every real node. All values are compared with a
    Python process that imports grpc.aio, in the same run.
    """
    base = await median_process(workshop, "import grpc.aio", scale.starts)
    rows = [Row("python -c 'import grpc.aio'", milliseconds(base))]
    for hcas in (scale.hcas[0], scale.hcas[-1]):
        taken = {mode: await _median_start(workshop, hcas, mode, scale.starts) for mode in _MODES}
        limit = _AIM_OF_8 if hcas <= 8 else _AIM_OF_512
        rows += [_row(f"{hcas} HCAs, {mode}", value, base, limit) for mode, value in taken.items()]
    here = await _start_here(workshop, scale.starts)
    return [*rows, _row("this machine's /sys", here, base, _AIM_OF_8)]


def _row(case: str, value: float, base: float, limit: float) -> Row:
    aim = at_most(value / base, limit, f"{limit:g} x")
    return Row(case, milliseconds(value), times(value, base, "grpc.aio"), aim)


async def _start_here(workshop: Workshop, count: int) -> float:
    samples = []
    for _ in range(count):
        async with workshop.daemon_here() as daemon:
            samples.append(daemon.start_to_registered)
    return median(samples)


async def _median_start(workshop: Workshop, hcas: int, mode: str, count: int) -> float:
    samples = []
    for _ in range(count):
        async with workshop.daemon(Sharing(hcas), mode=mode) as daemon:
            samples.append(daemon.start_to_registered)
    return median(samples)
