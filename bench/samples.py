"""What many measurements of one thing say."""

import time
from collections.abc import Callable, Mapping, Sequence


def percentile(samples: Sequence[float], percent: float) -> float:
    """The smallest sample that at least `percent` of all do not exceed."""
    rank = max(-(-len(samples) * percent // 100), 1)
    return sorted(samples)[int(rank) - 1]


def median(samples: Sequence[float]) -> float:
    """The sample in the middle."""
    return percentile(samples, 50)


def medians(works: Mapping[str, Callable[[], object]], count: int) -> Mapping[str, float]:
    """How long each of these takes in this process, in seconds; they take turns `count` times.

    Before that, each has run once.
    """
    for work in works.values():
        work()
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(count):
        for name, work in works.items():
            taken[name].append(timed(work))
    return {name: median(samples) for name, samples in taken.items()}


def timed(work: Callable[[], object]) -> float:
    """How long something takes in this process, in seconds."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin
