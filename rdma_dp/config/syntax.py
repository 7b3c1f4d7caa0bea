"""Parse the text of a config into plain data: dicts, lists, strings, numbers, None.

A file is JSON or YAML by what it is, not by its name. This module does not know the meaning of
keys, with one exception: which keys the user chooses. Duplicate keys are treated as in Go's
encoding/json, because a config that works in the Go plugin must mean the same here: case is
ignored, the last key counts, two objects are merged, and null changes nothing. In keys that the
user chooses, case is significant.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NoReturn

import yaml

from rdma_dp.config import json_text, yaml_text
from rdma_dp.config.json_text import Pairs, whole_number
from rdma_dp.config.problems import (
    ConfigError,
    ConfigMissing,
    Location,
    Problem,
    line_column,
    path_of,
    shown,
)
from rdma_dp.config.yaml_text import MAX_VALUES

# A ConfigMap has at most 1 MiB (kubernetes pkg/apis/core MaxSecretSize).
MAX_BYTES = 1024 * 1024
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

_YAML = "tag:yaml.org,2002:"


class Unquoted(str):
    """A YAML scalar without quotes that YAML would read as a number, a boolean or a date.

    1021, 0x101b and 101e1 can be device IDs. So the text is kept, and its field decides the type.
    """

    __slots__ = ()


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
    documents = yaml_text.documents(text)
    if not documents:
        raise ConfigMissing("the config has only comments")
    if len(documents) > 1:
        place = yaml_text.place_of(documents[1])
        _refuse(place, "is not YAML for a config: it holds several documents", "a file holds one")
    if slip := yaml_text.slip_in(documents[0]):
        raise ConfigError([slip])
    return documents[0], []


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
        self._values += 1
        if self._values > MAX_VALUES:
            _refuse("", f"holds more than {MAX_VALUES} values")
        match node:
            case yaml.MappingNode():
                _check_members(node, [member for pair in node.value for member in pair])
                return self._pairs(node)
            case yaml.SequenceNode():
                _check_members(node, node.value)
                return node.value
            case yaml.ScalarNode(tag=tag, value=text):
                if tag == f"{_YAML}null":
                    return None
                return text if tag == f"{_YAML}str" else Unquoted(text)
        return node

    def _pairs(self, node: yaml.MappingNode) -> Pairs:
        own = Pairs()
        inherited: dict[str, object] = {}
        for key, value in node.value:
            if key.tag == f"{_YAML}merge":
                for name, other in self._merged(value):
                    inherited.setdefault(name, other)
            else:
                own.append((_key(key), value))
        given = {key for key, _ in own}
        return Pairs([(k, v) for k, v in inherited.items() if k not in given] + own)

    def _merged(self, node: yaml.Node) -> Iterator[tuple[str, object]]:
        """The pairs of `<<: *anchor` and `<<: [*anchor, *anchor]`, in their order."""
        for source in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            pairs = self._open(source)
            if not isinstance(pairs, Pairs):
                _refuse(
                    yaml_text.place_of(source),
                    "is not YAML: << takes an object or a list of objects",
                )
            yield from pairs

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


def _check_members(parent: yaml.CollectionNode, members: Iterable[yaml.Node]) -> None:
    for member in members:
        if slip := yaml_text.slip_in(member, parent):
            raise ConfigError([slip])


def _key(node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        hint = (
            "if this is a template, render it first" if isinstance(node, yaml.MappingNode) else None
        )
        _refuse(yaml_text.place_of(node), "is not YAML for a config: a key must be a string", hint)
    return str(node.value)
