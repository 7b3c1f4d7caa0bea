"""Texts for people: control characters removed, lists shortened, things counted."""

import re
from collections.abc import Iterable
from typing import TypeVar

_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # control characters except tab and newline


def printable(text: str) -> str:
    """The text with U+FFFD for each control character, which a terminal would interpret."""
    return _OBEYED.sub("\ufffd", text)


Values = tuple[str, ...]


_T = TypeVar("_T")


NAMES_IN_LINE = 3  # names or reasons in one line; `some` counts the others

# The values that are shown of a mismatch. A config can have 19,000 globs and a node 250 HCAs, and
# each HCA's line goes to the log and to the pods that are refused.
_SHOWN = 6


_LONGEST = 80  # characters


def some(names: Values, limit: int) -> str:
    """The first `limit` names and the number of the others: "mlx5_0, mlx5_1 and 6 more"."""
    return ", ".join(names[:limit]) + _and_more(len(names) - limit)


def few(values: Values, comma: str) -> str:
    """The first values, each cut to 80 characters, and the number of the others."""
    cut = (v if len(v) <= _LONGEST else f"{v[:_LONGEST]}..." for v in values[:_SHOWN])
    return comma.join(cut) + _and_more(len(values) - _SHOWN)


def _and_more(left: int) -> str:
    return f" and {left} more" if left > 0 else ""


def grouped(pairs: Iterable[tuple[str, _T]]) -> tuple[tuple[Values, _T], ...]:
    """(name, reason) -> (names, reason): names with the same reason together, in their order."""
    names: dict[_T, list[str]] = {}
    for name, reason in pairs:
        names.setdefault(reason, []).append(name)
    return tuple((tuple(alike), reason) for reason, alike in names.items())


def counted(number: int, noun: str) -> str:
    """ "1 HCA", "2 HCAs"."""
    return f"{number} {noun}{'s' * (number != 1)}"
