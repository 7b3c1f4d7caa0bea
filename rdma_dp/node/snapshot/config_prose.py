"""Removes from a config's text what only people read: comments, and the values of unknown keys.

The result has the same problems in the same lines, so `doctor` finds what it found on the node.
Pure.
"""

import re
from collections.abc import Iterator

import yaml

from rdma_dp.config import json_schema

_GONE = ' "..."'  # the blank makes it valid in place of a list that is as far left as its key

# A string, or a comment. In texts like JSON, // and /* */ begin comments too. JSON has none, so the
# config is refused because of them, so their marks stay.
_BEFORE = r"(?<![^\s,:\[\]{}-])"
_STRING = rf"""{_BEFORE}(?:"(?:\\.|[^"\\])*"|'(?:''|[^'])*')"""
_YAML = re.compile(rf"{_STRING}|(?<!\S)(?P<mark>\#)[^\n]*", re.DOTALL)
_JSON = re.compile(
    rf"{_STRING}|(?P<mark>(?<![^\s,\[\]{{}}])\#|//)[^\n]*|(?P<open>/\*).*?(?P<close>\*/|\Z)",
    re.DOTALL,
)
_CHOSEN_BY_USERS = "env"  # the keys below it are names of environment variables
_MOST_NODES = 20_000  # as for a config (config/syntax.py, MAX_VALUES)


def without_prose(text: str) -> str:
    """The text with empty comments, and with "..." as the value of each unknown key.

    A text that is not valid, or that has aliases of YAML, keeps the values.
    """
    comments = _JSON if text.lstrip("\ufeff \t\r\n")[:1] in ("{", "[", "/") else _YAML
    short = comments.sub(_empty, text)
    readable = comments.sub(_blank, short)  # of the same length
    try:
        root = _composed(readable)
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError):
        return short
    for start, end in sorted(_unknown(root), reverse=True):
        old = short[start:end]
        short = f"{short[:start]}{_GONE}{old[len(old.rstrip()) :]}{short[end:]}"
    return short


def _empty(match: re.Match[str]) -> str:
    if match["mark"]:
        return match["mark"]
    marks = match.groupdict()
    return f"{marks['open']}{marks['close']}" if marks.get("open") else match[0]


def _blank(match: re.Match[str]) -> str:
    return " " * len(match[0]) if any(match.groupdict().values()) else match[0]


class _Loader(yaml.SafeLoader):
    nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.nodes += 1
        if self.nodes > _MOST_NODES:
            raise ValueError("too many values")
        if self.check_event(yaml.AliasEvent):  # an unknown key can hold what a known one uses
            raise ValueError("an alias")
        return super().compose_node(parent, index)


def _composed(text: str) -> yaml.Node | None:
    return _Loader(text).get_single_node()


def _unknown(root: yaml.Node | None) -> Iterator[tuple[int, int]]:
    """The places of the values of unknown keys. None in a text that is no config."""
    known = frozenset(key.casefold() for key in _properties(json_schema())) | {"$schema"}
    if not isinstance(root, yaml.MappingNode) or "configlist" not in map(_key, root.value):
        return
    left: list[yaml.Node] = [root]
    while left:
        node = left.pop()
        if isinstance(node, yaml.SequenceNode):
            left += node.value
        elif isinstance(node, yaml.MappingNode):
            for pair in node.value:
                if _key(pair) not in known:
                    yield pair[1].start_mark.index, pair[1].end_mark.index
                elif _key(pair) != _CHOSEN_BY_USERS:
                    left.append(pair[1])


def _key(pair: tuple[yaml.Node, yaml.Node]) -> str:
    return str(pair[0].value).casefold()


def _properties(schema: object) -> Iterator[str]:
    """The names of all keys in a JSON Schema."""
    if isinstance(schema, dict):
        properties = schema.get("properties", {})
        yield from properties if isinstance(properties, dict) else ()
        for each in schema.values():
            yield from _properties(each)
    elif isinstance(schema, list):
        for each in schema:
            yield from _properties(each)
