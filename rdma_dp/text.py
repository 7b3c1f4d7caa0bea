"""Texts for people and programs: escaped and cut, lists shortened, things counted.

What comes from outside (kubelet, sysfs, a config, a snapshot) can hold any character. `one_line`,
`printable` and `json_text` are the places where it becomes a line, a block of lines or JSON.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from types import MappingProxyType
from typing import Any, TypeVar, cast

LONGEST_LINE = 4000  # characters of a line of the log; journald splits lines at 48 KiB

_GAP = " [...] "


def one_line(text: str, limit: int = LONGEST_LINE) -> str:
    """The text as one line of printable characters: others are escaped, as "\\n" or "\\u202e".

    A text of more than `limit` characters loses its middle.
    """
    return shortened(_replaced(shortened(text, limit), "", _python_escape), limit)


def shortened(text: str, limit: int = LONGEST_LINE) -> str:
    """The text without its middle if it is longer than `limit`. The end often has the reason."""
    if len(text) <= limit:
        return text
    end = (limit - len(_GAP)) // 4
    return f"{text[: limit - len(_GAP) - end]}{_GAP}{text[len(text) - end :]}"


def printable(text: str) -> str:
    """As `one_line` for a text of several lines: newlines and tabs are kept, nothing is cut."""
    return _replaced(text, "\n\t", _python_escape)


def json_text(document: object, *, indent: int | None = None, ascii_only: bool = False) -> str:
    """The document as JSON. Characters that are not printable are escaped as \\uXXXX."""
    text = json.dumps(document, indent=indent, ensure_ascii=ascii_only)
    # json.dumps has escaped the newlines in strings. Those that are left separate lines.
    return _replaced(text, "\n", _json_escape)


def _replaced(text: str, kept: str, escape: Callable[[str], str]) -> str:
    # isprintable() is False for control and format characters (Cc, Cf: ESC, U+0085, U+202E), for
    # lone surrogates, and for all separators but the space (U+2028).
    lines = text.split("\n") if "\n" in kept else [text]
    return "\n".join(
        line
        if line.isprintable()
        else "".join(c if c.isprintable() or c in kept else escape(c) for c in line)
        for line in lines
    )


def _python_escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _json_escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4))


Values = tuple[str, ...]


_T = TypeVar("_T")


def with_texts(value: _T, change: Callable[[str], str]) -> _T:
    """The same frozen value with every text in it changed: of dataclasses, mappings and tuples.

    Values that are in it several times are changed once.
    """
    return cast("_T", _mapped(value, change, {}))


def in_lines(value: _T) -> _T:
    """The same frozen value with each text in it as one printable line.

    Everything that draws a table, a tree or a picture applies it first: a newline in a name would
    begin a row of its own.
    """
    return with_texts(value, one_line)


def _mapped(value: Any, change: Callable[[str], str], done: dict[int, Any]) -> Any:
    # A StrEnum is one of a few words, not a text.
    if isinstance(value, str):
        return value if isinstance(value, Enum) else change(value)
    if id(value) not in done:
        done[id(value)] = _mapped_parts(value, lambda part: _mapped(part, change, done))
    return done[id(value)]


def _mapped_parts(value: Any, mapped: Callable[[Any], Any]) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: mapped(getattr(value, f.name)) for f in fields(value)})
    if isinstance(value, Mapping):
        return MappingProxyType({mapped(key): mapped(each) for key, each in value.items()})
    if isinstance(value, tuple):
        return tuple(map(mapped, value))
    return value


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
    cut = (
        one_line(v) if len(v) <= _LONGEST else f"{one_line(v[:_LONGEST])}..."
        for v in values[:_SHOWN]
    )
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
