"""What many measurements of one thing say."""

from collections.abc import Sequence


def percentile(samples: Sequence[float], percent: float) -> float:
    """The smallest sample that at least `percent` of all do not exceed."""
    rank = max(-(-len(samples) * percent // 100), 1)
    return sorted(samples)[int(rank) - 1]


def median(samples: Sequence[float]) -> float:
    """The sample in the middle."""
    return percentile(samples, 50)
