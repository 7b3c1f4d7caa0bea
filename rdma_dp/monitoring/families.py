"""Metric families: the project's prefix, and label values that are never missing.

Label values can be names of the kernel with any bytes, and the page of metrics is UTF-8. So bytes
that are not UTF-8 are escaped. prometheus_client escapes newlines.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from rdma_dp.metrics import BOUNDS, Histogram, Labels, Tally

PREFIX = "rdma_dp_"

_Family = TypeVar("_Family", GaugeMetricFamily, CounterMetricFamily)


def gauge(
    name: str, meaning: str, labels: Sequence[str], samples: Iterable[tuple[Labels, float]]
) -> GaugeMetricFamily:
    """A gauge with these label names; each sample has the values of the labels and the number."""
    return _filled(GaugeMetricFamily(PREFIX + name, meaning, labels=labels), samples)


def counter(
    name: str, meaning: str, labels: Sequence[str], samples: Iterable[tuple[Labels, float]]
) -> CounterMetricFamily:
    """A counter. The library appends "_total" to its name."""
    return _filled(CounterMetricFamily(PREFIX + name, meaning, labels=labels), samples)


def counted(tally: Tally, expected: Iterable[Labels]) -> Iterable[tuple[Labels, float]]:
    """The samples of a tally for the expected labels, with 0 for those that never occurred.

    Without the 0, `increase()` would not see the first occurrence. What is not expected is of a
    resource or an HCA that is gone. Its number stays in the tally, so it does not go backwards when
    the resource or the HCA comes back.
    """
    values = tally.values
    return [(labels, values.get(labels, 0.0)) for labels in expected]


def histogram(
    name: str, meaning: str, labels: Sequence[str], samples: Mapping[Labels, Histogram]
) -> HistogramMetricFamily:
    """A histogram of durations in seconds with the buckets of metrics.BOUNDS."""
    family = HistogramMetricFamily(PREFIX + name, meaning, labels=labels)
    for values, each in samples.items():
        below, buckets = 0, []
        for bound, count in zip((*map(str, BOUNDS), "+Inf"), each.counts, strict=True):
            below += count
            buckets.append((bound, float(below)))
        family.add_metric(_utf8(values), buckets, each.total)
    return family


def _filled(family: _Family, samples: Iterable[tuple[Labels, float]]) -> _Family:
    for values, number in samples:
        family.add_metric(_utf8(values), number)
    return family


def _utf8(values: Labels) -> tuple[str, ...]:
    return tuple(value.encode(errors="backslashreplace").decode() for value in values)
