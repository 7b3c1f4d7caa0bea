"""Percentiles and medians of measurements."""

import time
from collections.abc import Callable, Mapping, Sequence


def percentile(samples: Sequence[float], percent: float) -> float:
    """The smallest sample that at least `percent` of all samples do not exceed."""
    rank = max(-(-len(samples) * percent // 100), 1)
    return sorted(samples)[int(rank) - 1]


def median(samples: Sequence[float]) -> float:
    """The 50th percentile."""
    return percentile(samples, 50)


def medians(works: Mapping[str, Callable[[], object]], count: int) -> Mapping[str, float]:
    """The median duration of each function in this process, in seconds.

    Each runs once as a warm-up. Then they take turns `count` times.
    """
    for work in works.values():
        work()
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(count):
        for name, work in works.items():
            taken[name].append(timed(work))
    return {name: median(samples) for name, samples in taken.items()}


def timed(work: Callable[[], object]) -> float:
    """The duration of a function in this process, in seconds."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin
