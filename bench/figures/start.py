"""The duration of a start until kubelet has the list."""

from bench.samples import median
from bench.scale import Scale
from bench.sharing import Sharing
from bench.table import Row, at_most, milliseconds, times
from bench.workshop import Workshop

_MODES = ("device-plugins", "plugins-registry")

# Seconds, for 8 HCAs and for more.
_AIM_OF_8, _AIM_OF_512 = 0.4, 1.0


async def start(workshop: Workshop, scale: Scale) -> list[Row]:
    """From exec of `python -m rdma_dp run` until kubelet has the full list, in both modes.

    The median of several starts with compiled bytecode. One resource takes every HCA. The simulated
    kubelet runs in the benchmark's process, on the same cores. It dials a new socket in
    plugins_registry at once; kubelet itself may take up to a second. With this machine's own /sys,
    the daemon also loads the modules for netlink, as on every real node.
    """
    rows = []
    for hcas in (scale.hcas[0], scale.hcas[-1]):
        taken = {mode: await _median_start(workshop, hcas, mode, scale.starts) for mode in _MODES}
        limit = _AIM_OF_8 if hcas <= 8 else _AIM_OF_512
        rows += [
            Row(
                f"{hcas} HCAs, {mode}",
                milliseconds(value),
                "" if mode == _MODES[0] else times(value, taken[_MODES[0]], _MODES[0]),
                at_most(value, limit, milliseconds(limit)),
            )
            for mode, value in taken.items()
        ]
    return [*rows, await _start_here(workshop, scale.starts)]


async def _start_here(workshop: Workshop, count: int) -> Row:
    samples = []
    for _ in range(count):
        async with workshop.daemon_here() as daemon:
            samples.append(daemon.start_to_registered)
    aim = at_most(median(samples), _AIM_OF_8, milliseconds(_AIM_OF_8))
    return Row("this machine's /sys", milliseconds(median(samples)), aim=aim)


async def _median_start(workshop: Workshop, hcas: int, mode: str, count: int) -> float:
    samples = []
    for _ in range(count):
        async with workshop.daemon(Sharing(hcas), mode=mode) as daemon:
            samples.append(daemon.start_to_registered)
    return median(samples)
