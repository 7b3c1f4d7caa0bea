"""From nothing to a resource that kubelet counts."""

from bench.samples import median
from bench.scale import Scale
from bench.sharing import Sharing
from bench.table import Row, at_most, milliseconds, times
from bench.workshop import Workshop

_WAYS = ("device-plugins", "plugins-registry")

# Seconds; the sizes between them are held to the larger one's.
_AIM_OF_8, _AIM_OF_512 = 0.4, 1.0


async def start(workshop: Workshop, scale: Scale) -> list[Row]:
    """exec of `python -m rdma_dp run` until kubelet holds the full list, by both ways to it.

    The median of several starts with compiled bytecode; one resource takes every HCA. The stand-in
    for kubelet runs in the benchmark's own process, on the same cores, and dials a new socket in
    plugins_registry at once, where kubelet itself may let up to a second pass. On this machine's
    own /sys, whatever is there, what talks to the kernel is loaded too, as on every real node.
    """
    rows = []
    for hcas in (scale.hcas[0], scale.hcas[-1]):
        taken = {way: await _median_start(workshop, hcas, way, scale.starts) for way in _WAYS}
        limit = _AIM_OF_8 if hcas <= 8 else _AIM_OF_512
        rows += [
            Row(
                f"{hcas} HCAs, {way}",
                milliseconds(value),
                "" if way == _WAYS[0] else times(value, taken[_WAYS[0]], _WAYS[0]),
                at_most(value, limit, milliseconds(limit)),
            )
            for way, value in taken.items()
        ]
    return [*rows, await _start_here(workshop, scale.starts)]


async def _start_here(workshop: Workshop, count: int) -> Row:
    samples = []
    for _ in range(count):
        async with workshop.daemon_here() as daemon:
            samples.append(daemon.start_to_registered)
    aim = at_most(median(samples), _AIM_OF_8, milliseconds(_AIM_OF_8))
    return Row("this machine's /sys", milliseconds(median(samples)), aim=aim)


async def _median_start(workshop: Workshop, hcas: int, way: str, count: int) -> float:
    samples = []
    for _ in range(count):
        async with workshop.daemon(Sharing(hcas), way=way) as daemon:
            samples.append(daemon.start_to_registered)
    return median(samples)
