"""Parse the text of a config into plain data: dicts, lists, strings, numbers, None.

This module parses JSON and YAML. It does not know the meaning of keys, with one exception: which
keys the user chooses. Duplicate keys are treated as in Go's encoding/json, because a config that
works in the Go plugin must mean the same here: case is ignored, the last key counts, two objects
are merged, and null changes nothing. In keys that the user chooses, case is significant.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

import yaml

from rdma_dp.config.problems import ConfigError, ConfigMissing, Location, Problem, path_of, shown

# Limits, so that parsing takes at most about a second. A ConfigMap has at most 1 MiB (kubernetes
# pkg/apis/core MaxSecretSize). A resource has about ten values.
MAX_BYTES = 1024 * 1024
MAX_VALUES = 20_000
MAX_DEPTH = 32
_MAX_DIGITS = 100  # of a number; Python refuses to parse more than 4300

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
        builder = _Builder(warnings)
        return Reading(builder.build(tree, ()), tuple(builder.warnings))
    except RecursionError:
        _refuse("", f"is nested deeper than {MAX_DEPTH} levels")


def decode(raw: bytes) -> str:
    """The text of a file. Raises ConfigError if it is too large or not UTF-8."""
    _check_size(len(raw))
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        place = _line_column(raw[: error.start].decode("utf-8"), error.start)
        _refuse(place, f"is not UTF-8 (byte 0x{raw[error.start]:02x})", "save the file as UTF-8")


def whole_number(digits: str) -> int:
    """The number. One with more than 100 digits is cut; it stays larger than any limit."""
    return int(digits[:_MAX_DIGITS])


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


def _line_column(text: str, position: int) -> str:
    before = text[:position]
    return f"{before.count(chr(10)) + 1}:{len(before) - (before.rfind(chr(10)) + 1) + 1}"


# --- syntax -------------------------------------------------------------------------------------


class _Pairs(list[tuple[str, object]]):
    """An object with all its keys in the order of the text, duplicates included."""


def _parse(text: str) -> tuple[object, list[Problem]]:
    if not text.lstrip().startswith("{"):
        return _parse_yaml(text), []
    try:
        return _parse_json(text), []
    except ConfigError as not_json:
        try:
            tree = _parse_yaml(text)
        except ConfigError:
            raise not_json from None
        error = not_json.problems[0]
        hint = "the Go plugin refuses it; correct the JSON"
        return tree, [Problem(error.path, f"{error.message}; read as YAML instead", hint)]


def _parse_json(text: str) -> object:
    try:
        return json.loads(
            text,
            object_pairs_hook=_Pairs,
            parse_int=whole_number,
            parse_constant=lambda name: _refuse("", f"{name} is not JSON"),
        )
    except json.JSONDecodeError as error:
        _refuse(f"{error.lineno}:{error.colno}", f"is not JSON: {error.msg}")


class _Loader(yaml.SafeLoader):
    """Creates nodes, never objects, and stops after MAX_VALUES nodes."""

    nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.nodes += 1
        if self.nodes > MAX_VALUES:
            _refuse("", f"holds more than {MAX_VALUES} values")
        return super().compose_node(parent, index)


def _parse_yaml(text: str) -> yaml.Node:
    try:
        node = _Loader(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{mark.line + 1}:{mark.column + 1}" if mark else ""
        context = f"{error.context}: " if error.context else ""
        _refuse(place, f"is not YAML: {context}{error.problem}", _yaml_hint(error))
    except yaml.reader.ReaderError as error:
        place = _line_column(text, error.position)
        _refuse(place, "is not YAML: a control character", "save the file as plain text")
    except (ValueError, OverflowError) as error:  # an escape such as "\UFFFFFFFF"
        _refuse("", f"is not YAML: {error}")
    if node is None:
        raise ConfigMissing("the config has only comments")
    return node


def _yaml_hint(error: yaml.MarkedYAMLError) -> str | None:
    """A value that begins with * is an alias in YAML, but is probably intended as a glob."""
    if "alias" in f"{error.context} {error.problem}":
        return 'a glob that begins with * needs quotes: "*np0"'
    return None


# --- from the tree to plain data ----------------------------------------------------------------


class _Builder:
    """Builds plain data from a tree of JSON or of YAML nodes, one level at a time."""

    def __init__(self, warnings: list[Problem]) -> None:
        self.warnings = warnings
        self._values = 0

    def build(self, node: object, location: Location) -> object:
        """The plain data of a node. An alias of YAML counts each time it is used."""
        if len(location) > MAX_DEPTH:
            _refuse("", f"is nested deeper than {MAX_DEPTH} levels")
        value = self._open(node)
        if isinstance(value, _Pairs):
            members = self._without_duplicates(value, location)
            return {key: self.build(member, (*location, key)) for key, member in members}
        if isinstance(value, list):
            return [self.build(item, (*location, i)) for i, item in enumerate(value)]
        return value

    def _open(self, node: object) -> object:
        """A YAML node as _Pairs, a list of nodes, or a scalar. Data from JSON stays as it is."""
        self._values += 1
        if self._values > MAX_VALUES:
            _refuse("", f"holds more than {MAX_VALUES} values")
        match node:
            case yaml.MappingNode():
                return self._pairs(node)
            case yaml.SequenceNode():
                return node.value
            case yaml.ScalarNode(tag=tag, value=text):
                if tag == f"{_YAML}null":
                    return None
                return text if tag == f"{_YAML}str" else Unquoted(text)
        return node

    def _pairs(self, node: yaml.MappingNode) -> _Pairs:
        own = _Pairs()
        inherited: dict[str, object] = {}
        for key, value in node.value:
            if key.tag == f"{_YAML}merge":
                for name, other in self._merged(value):
                    inherited.setdefault(name, other)
            else:
                own.append((_key(key), value))
        given = {key for key, _ in own}
        return _Pairs([(k, v) for k, v in inherited.items() if k not in given] + own)

    def _merged(self, node: yaml.Node) -> Iterator[tuple[str, object]]:
        """The pairs of `<<: *anchor` and `<<: [*anchor, *anchor]`, in their order."""
        for source in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            pairs = self._open(source)
            if not isinstance(pairs, _Pairs):
                _refuse(_mark(source), "is not YAML: << takes an object or a list of objects")
            yield from pairs

    def _without_duplicates(self, pairs: _Pairs, location: Location) -> list[tuple[str, object]]:
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
        if isinstance(first, _Pairs) and isinstance(second, _Pairs):
            return _Pairs([*first, *second])
        return later


def _key(node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        _refuse(_mark(node), "is not YAML for a config: a key must be a string")
    return str(node.value)


def _mark(node: yaml.Node) -> str:
    return f"{node.start_mark.line + 1}:{node.start_mark.column + 1}"
