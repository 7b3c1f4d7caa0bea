"""A config inside a larger file, and the place in that file of each of its problems."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import yaml

from rdma_dp.config import json_text, yaml_text
from rdma_dp.config.problems import ConfigError, Location, Problem, line_column, path_of

POLICIES = ("NicClusterPolicy", "NicNodePolicy")  # the kinds that Network Operator reads

_PLACE = re.compile(r"(\d+):(\d+)")
_STEP = re.compile(r'\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]|([\w$-]+)')

# What one character of a scalar looks like in the file. Spaces are not compared: YAML folds them.
_ONE = {"'": re.compile(r"''|\S"), '"': re.compile(r"\\u[0-9A-Fa-f]{4}|\\(?s:.)|\S")}
_ESCAPED_SPACE = ("\\n", "\\t", "\\r", "\\ ", "\\\n", "\\\r")


@dataclass(frozen=True, slots=True)
class Owner:
    """The Kubernetes object around a config. Without a kind: Helm values, or a document."""

    kind: str = ""
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        full = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.kind} {full}".strip()


@dataclass(frozen=True, slots=True)
class Embedded:
    """A config in a file. `text` is the config alone.

    `begin` is its index in `source`, the text of the file. `index_of` gives the index there for an
    index in `text`, and `tree` the nodes of the file that became `text`. Without both, all problems
    are at `begin`.
    """

    owner: Owner
    keys: Location
    text: str
    source: str
    begin: int
    index_of: Callable[[int], int] | None = None
    tree: yaml.Node | None = None
    problems: tuple[Problem, ...] = ()  # of its place in the file; paths are places in `text`
    warnings: tuple[Problem, ...] = ()

    def __str__(self) -> str:
        """Which object, and which key: 'ConfigMap kube-system/rdma-devices, key config.json'."""
        top = ("data", "binaryData")
        listed = len(self.keys) == 2 and self.keys[0] in top
        key = f"key {self.keys[1]}" if listed else path_of(self.keys)
        return ", ".join(filter(None, (str(self.owner), key)))

    @property
    def words(self) -> tuple[str, ...]:
        """The words that choose this config among those of the file, short ones first."""
        owner, key = self.owner, str(self.keys[-1]) if self.keys else ""
        full = f"{owner.namespace}/{owner.name}" if owner.namespace else owner.name
        words = (owner.name, key, full, f"{owner.name}/{key}", f"{full}/{key}", path_of(self.keys))
        return tuple(word for word in words if word.strip("/"))

    def located(self, problems: Iterable[Problem]) -> tuple[Problem, ...]:
        """The problems of the config, with their place in the file and the object."""
        return tuple(self._located(problem) for problem in problems)

    @property
    def in_policy(self) -> bool:
        """Whether Network Operator reads it, and its webhook."""
        return self.owner.kind in POLICIES

    def _located(self, problem: Problem) -> Problem:
        steps = [line_column(self.source, self._index(problem.path)), str(self)]
        if problem.path and not _PLACE.fullmatch(problem.path):
            steps.append(problem.path)
        message, place = problem.message, _PLACE.fullmatch(problem.mentioned)
        if place:
            inner = line_column(self.source, self._index(problem.mentioned))
            message = message.replace(f" {problem.mentioned} ", f" {inner} ")
        return replace(problem, path=": ".join(steps), message=message)

    def _index(self, path: str) -> int:
        place = _PLACE.fullmatch(path)
        if self.tree is not None and place:
            return _index_in(self.source, place)
        if self.tree is not None:
            return int(_at(self.tree, path).start_mark.index)
        if self.index_of is None or not path:
            return self.begin
        if place:
            return self.index_of(_index_in(self.text, place))
        return self.index_of(_at(_tree(self.text), path).start_mark.index)


def _index_in(text: str, place: re.Match[str]) -> int:
    """The index of "line:column" in a text."""
    lines = text.split("\n")[: int(place[1]) - 1]
    return sum(len(line) + 1 for line in lines) + int(place[2]) - 1


def documents(text: str) -> list[yaml.Node]:
    """The documents of a text. JSON is read as YAML, so that each value has its place."""
    if json_text.begins_as_json(text):
        json_text.parse_json(text)
        text = json_text.without_comments(text)[0].replace("\t", " ")
    return yaml_text.documents(text)


def scalar_index(source: str, node: yaml.ScalarNode) -> Callable[[int], int]:
    """The index in the file for an index in the value of a scalar, whatever style it is in."""

    def index_of(offset: int) -> int:
        begin = node.start_mark.index
        if node.style in ("|", ">"):
            begin = source.find("\n", begin) + 1
        elif node.style in ("'", '"'):
            begin += 1
        left = len(re.sub(r"\s", "", node.value[:offset]))
        for found in _ONE.get(node.style or "", re.compile(r"\S")).finditer(source, begin):
            if node.style == '"' and found.group() in _ESCAPED_SPACE:
                continue
            if not left:
                return found.start()
            left -= 1
        return node.end_mark.index

    return index_of


def _tree(text: str) -> yaml.Node:
    try:
        (tree,) = documents(text)
    except (ConfigError, ValueError, RecursionError):
        return yaml.ScalarNode("", "", yaml.Mark("", 0, 0, 0, None, 0))
    return tree


def _at(node: yaml.Node, path: str) -> yaml.Node:
    """The node at a path: of an object's member its key. The last one that exists."""
    shown = node
    for position, quoted, plain in _STEP.findall(path):
        if isinstance(node, yaml.SequenceNode) and position and int(position) < len(node.value):
            shown = node = node.value[int(position)]
            continue
        wanted = (quoted or plain).casefold()
        pairs = node.value if isinstance(node, yaml.MappingNode) else ()
        found = [pair for pair in pairs if str(pair[0].value).casefold() == wanted]
        if not found or position:
            break
        shown, node = found[-1]
    return shown
