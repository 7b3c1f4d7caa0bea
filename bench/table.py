"""Measured values as a plain table of at most 100 columns."""

import os
import platform
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from importlib.metadata import version
from typing import Self

from bench.samples import percentile

_HEAD = ("figure", "case", "value", "ratio", "aim")
_RIGHT_ALIGNED = 2  # the column of values


@dataclass(frozen=True, slots=True)
class Row:
    """One measured value, its ratio to another value, and its aim."""

    case: str
    value: str
    ratio: str = ""
    aim: str = ""

    def aimed(self, aim: str) -> Self:
        """A copy of the row with an aim."""
        return replace(self, aim=aim)


def milliseconds(seconds: float) -> str:
    """Three significant digits: "0.482 ms", "35.1 ms", "412 ms"."""
    value = seconds * 1000
    digits = 3 if value < 1 else 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:.{digits}f} ms"


def microseconds(seconds: float) -> str:
    """For very short durations: "1.25 us"."""
    return f"{seconds * 1e6:.2f} us"


def megabytes(kibibytes: float) -> str:
    """KiB from /proc as MB (1,000,000 bytes)."""
    return f"{kibibytes * 1024 / 1e6:.1f} MB"


def times(value: float, base: float, what: str) -> str:
    """The ratio of two values: "1.41 x echo"."""
    return f"{value / base:.2f} x {what}"


def latency(
    case: str, percent: int, samples: Sequence[float], base: Sequence[float], what: str
) -> Row:
    """A row for a percentile of samples in seconds, compared with the same percentile of `base`."""
    value, base_value = percentile(samples, percent), percentile(base, percent)
    ratio = times(value, base_value, f"{what} ({milliseconds(base_value)})")
    return Row(f"{case}, p{percent}", milliseconds(value), ratio)


def at_most(value: float, limit: float, shown: str) -> str:
    """An aim and whether it is met. A missed aim is no error."""
    return f"at most {shown}: {'met' if value <= limit else 'MISSED'}"


def render(measured: Iterable[tuple[str, Sequence[Row]]], machine: str) -> str:
    """The table, below a line that describes the machine."""
    lines = [_HEAD, *_lines(measured)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD))]
    return "\n".join([machine, "", *(_aligned(line, widths) for line in lines)])


def _lines(measured: Iterable[tuple[str, Sequence[Row]]]) -> Iterator[tuple[str, ...]]:
    for name, rows in measured:
        for index, row in enumerate(rows):
            yield (name if index == 0 else "", *astuple(row))


def _aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    cells = [
        text.rjust(width) if column == _RIGHT_ALIGNED else text.ljust(width)
        for column, (text, width) in enumerate(zip(line, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()


def machine() -> str:
    """The machine and its load. Call it before measuring, so that the load is not our own."""
    return (
        f"Python {platform.python_version()}, grpcio {version('grpcio')}, "
        f"{len(os.sched_getaffinity(0))} cores, {platform.system()} {platform.release()}, "
        f"load before {os.getloadavg()[0]:.2f}"
    )
