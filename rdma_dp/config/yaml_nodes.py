"""Nodes of YAML as parts of a tree: an object as Pairs, a list of nodes, or a scalar."""

from collections.abc import Callable, Iterable, Iterator

import yaml

from rdma_dp.config import yaml_text
from rdma_dp.config.problems import ConfigError, ConfigMissing, Problem
from rdma_dp.config.trees import Pairs, Unquoted

_YAML = "tag:yaml.org,2002:"


def parse(text: str) -> yaml.Node:
    """The node of a config. Raises ConfigMissing for a text without one, ConfigError for others."""
    documents = yaml_text.documents(text)
    if not documents:
        raise ConfigMissing("the config has only comments")
    if len(documents) > 1:
        message, hint = "it holds several documents", "a file holds one"
        raise _error(documents[1], message, hint)
    if slip := yaml_text.slip_in(documents[0]):
        raise ConfigError([slip])
    return documents[0]


def opened(node: object, count: Callable[[], None]) -> object:
    """The node's members as Pairs or as a list of nodes; the value of a scalar.

    `count` is called for each object that is merged into this one, and may raise ConfigError.
    Raises ConfigError.
    """
    match node:
        case yaml.MappingNode():
            _check_members(node, [member for pair in node.value for member in pair])
            return _pairs(node, count)
        case yaml.SequenceNode():
            _check_members(node, node.value)
            return node.value
        case yaml.ScalarNode(tag=tag, value=text):
            if tag == f"{_YAML}null":
                return None
            return text if tag == f"{_YAML}str" else Unquoted(text)
    return node


def _pairs(node: yaml.MappingNode, count: Callable[[], None]) -> Pairs:
    own = Pairs()
    inherited: dict[str, object] = {}
    for key, value in node.value:
        if key.tag == f"{_YAML}merge":
            for name, other in _merged(value, count):
                inherited.setdefault(name, other)
        else:
            own.append((_key(key), value))
    given = {key for key, _ in own}
    return Pairs([(k, v) for k, v in inherited.items() if k not in given] + own)


def _merged(node: yaml.Node, count: Callable[[], None]) -> Iterator[tuple[str, object]]:
    """The pairs of `<<: *anchor` and `<<: [*anchor, *anchor]`, in their order."""
    for source in node.value if isinstance(node, yaml.SequenceNode) else [node]:
        count()
        pairs = opened(source, count)
        if not isinstance(pairs, Pairs):
            message = "is not YAML: << takes an object or a list of objects"
            raise ConfigError([Problem(yaml_text.place_of(source), message)])
        yield from pairs


def _check_members(parent: yaml.CollectionNode, members: Iterable[yaml.Node]) -> None:
    for member in members:
        if slip := yaml_text.slip_in(member, parent):
            raise ConfigError([slip])


def _key(node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        template = isinstance(node, yaml.MappingNode)
        hint = "if this is a template, render it first" if template else None
        raise _error(node, "a key must be a string", hint)
    return str(node.value)


def _error(node: yaml.Node, message: str, hint: str | None) -> ConfigError:
    place = yaml_text.place_of(node)
    return ConfigError([Problem(place, f"is not YAML for a config: {message}", hint)])
