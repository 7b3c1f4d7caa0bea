"""Parse the text of a config into plain data: dicts, lists, strings, numbers, None.

A file is JSON or YAML by what it is, not by its name. This module does not know the meaning of
keys, with one exception: which keys the user chooses. Duplicate keys are treated as in Go's
encoding/json, because a config that works in the Go plugin must mean the same here: case is
ignored, the last key counts, two objects are merged, and null changes nothing. In keys that the
user chooses, case is significant.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NoReturn

from rdma_dp.config import json_text
from rdma_dp.config.file_content import MAX_BYTES
from rdma_dp.config.json_text import whole_number
from rdma_dp.config.problems import (
    ConfigError,
    ConfigMissing,
    Location,
    Problem,
    line_column,
    path_of,
    shown,
)
from rdma_dp.config.trees import MAX_VALUES, Pairs, Unquoted

MAX_DEPTH = 32

# What a file that is no text begins with.
_FOREIGN = {
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
    b"\x1f\x8b": "compressed with gzip",
    b"\x7fELF": "a program",
    b"PK\x03\x04": "a zip archive",
}

_OWN_KEYS = "env"  # the user chooses the keys below it: names of environment variables


@dataclass(frozen=True, slots=True)
class Reading:
    """Plain data, and the warnings about its text."""

    data: object
    warnings: tuple[Problem, ...]


def read(text: str) -> Reading:
    """Parse JSON or YAML. Raises ConfigMissing for an empty text, ConfigError for bad syntax."""
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise ConfigMissing("the config is empty")
    _check_size(len(text.encode(errors="surrogatepass")))
    try:
        tree, warnings = _parse(text)
        return plain(tree, warnings)
    except RecursionError:
        _refuse_depth()


def plain(tree: object, warnings: Iterable[Problem] = ()) -> Reading:
    """The plain data of a tree of JSON or of YAML nodes. Raises ConfigError."""
    builder = _Builder(list(warnings))
    return Reading(builder.build(tree, ()), tuple(builder.warnings))


def decode(raw: bytes) -> str:
    """The text of a file. Raises ConfigError if it is too large or not UTF-8."""
    _check_size(len(raw))
    for start, kind in _FOREIGN.items():
        if raw.startswith(start):
            _refuse("", f"is {kind}, not text in UTF-8", "a config is plain text: JSON or YAML")
    if b"\0" in raw:
        place = line_column(raw[: raw.index(0)].decode("utf-8", "replace"), raw.index(0))
        _refuse(place, "is not text (a NUL byte)", "a config is plain text: JSON or YAML")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        place = line_column(raw[: error.start].decode("utf-8"), error.start)
        _refuse(place, f"is not UTF-8 (byte 0x{raw[error.start]:02x})", "save the file as UTF-8")


def number(value: object) -> object:
    """An unquoted YAML scalar as a number, if it is an integer in JSON; else the value itself."""
    if isinstance(value, Unquoted) and re.fullmatch(r"-?(0|[1-9][0-9]*)", value):
        return whole_number(value)
    return value


def flag(value: object) -> object:
    """An unquoted YAML scalar as a boolean, if it is one in JSON; else the value itself."""
    if isinstance(value, Unquoted) and value in ("true", "false"):
        return value == "true"
    return value


def _check_size(size: int) -> None:
    if size > MAX_BYTES:
        _refuse("", f"is larger than {MAX_BYTES} bytes", "that is more than a ConfigMap can hold")


def _refuse(path: str, message: str, hint: str | None = None) -> NoReturn:
    raise ConfigError([Problem(path, message, hint)])


def _refuse_depth() -> NoReturn:
    _refuse("", f"is nested deeper than {MAX_DEPTH} levels")


# --- syntax -------------------------------------------------------------------------------------


def _parse(text: str) -> tuple[object, list[Problem]]:
    if json_text.only_comments(text):
        raise ConfigMissing("the config has only comments")
    if json_text.begins_as_json(text):
        if json_text.depth(text) > MAX_DEPTH + 1:  # the innermost one may be empty, as in _Builder
            _refuse_depth()
        return json_text.parse_json(text)
    # Imported here: a daemon with a config in JSON does without the YAML reader, 1 MB and 10 ms.
    from rdma_dp.config import yaml_nodes  # noqa: PLC0415

    return yaml_nodes.parse(text), []


# --- from the tree to plain data ----------------------------------------------------------------


class _Builder:
    """Builds plain data from a tree of JSON or of YAML nodes, one level at a time."""

    def __init__(self, warnings: list[Problem]) -> None:
        self.warnings = warnings
        self._values = 0

    def build(self, node: object, location: Location) -> object:
        """The plain data of a node. An alias of YAML counts each time it is used."""
        if len(location) > MAX_DEPTH:
            _refuse_depth()
        value = self._open(node)
        if isinstance(value, Pairs):
            members = self._without_duplicates(value, location)
            return {key: self.build(member, (*location, key)) for key, member in members}
        if isinstance(value, list):
            return [self.build(item, (*location, i)) for i, item in enumerate(value)]
        return value

    def _open(self, node: object) -> object:
        """A YAML node as Pairs, a list of nodes, or a scalar. Data from JSON stays as it is."""
        self._count()
        if node is None or isinstance(node, list | str | int | float):  # bool is an int
            return node
        from rdma_dp.config import yaml_nodes  # noqa: PLC0415 - see _parse

        return yaml_nodes.opened(node, self._count)

    def _count(self) -> None:
        self._values += 1
        if self._values > MAX_VALUES:
            _refuse("", f"holds more than {MAX_VALUES} values")

    def _without_duplicates(self, pairs: Pairs, location: Location) -> list[tuple[str, object]]:
        kept: dict[str, tuple[str, object]] = {}
        own_keys = bool(location) and str(location[-1]).casefold() == _OWN_KEYS
        for key, value in pairs:
            folded = key if own_keys else key.casefold()
            if folded not in kept:
                kept[folded] = (key, value)
                continue
            first, earlier = kept[folded]
            kept[folded] = (key, self._combined(earlier, value))
            also = "" if key == first else f", also as {shown(first)}"
            message = f"is given twice{also}; the last one counts, two objects are merged"
            self.warnings.append(Problem(path_of((*location, key)), message, "keep one"))
        return list(kept.values())

    def _combined(self, earlier: object, later: object) -> object:
        first, second = self._open(earlier), self._open(later)
        if second is None:
            return earlier
        if isinstance(first, Pairs) and isinstance(second, Pairs):
            return Pairs([*first, *second])
        return later
