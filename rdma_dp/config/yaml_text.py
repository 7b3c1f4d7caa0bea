"""Parse YAML into nodes, and refuse scalars that no config has, but that a slip in JSON makes.

YAML reads ["ib0", // first "ib1"] without complaint, as two values. In a config, no value goes over
several lines, and none holds a comment or a quote. So a plain scalar that does is refused.
"""

import re
from collections.abc import Iterator

import yaml

from rdma_dp.config.problems import ConfigError, Problem, line_column
from rdma_dp.config.trees import MAX_VALUES

_MISSING = "a comma, a quote, a - or the space behind a colon is missing"
_COMMENT = re.compile(r"(?:^|\s)(?://|/\*)")


class _Loader(yaml.SafeLoader):
    """Creates nodes, never objects, and stops after MAX_VALUES nodes."""

    nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.nodes += 1
        if self.nodes > MAX_VALUES:
            raise ConfigError([Problem("", f"holds more than {MAX_VALUES} values")])
        return super().compose_node(parent, index)


def documents(text: str) -> list[yaml.Node]:
    """The documents of a text, without empty ones. Raises ConfigError."""
    try:
        return [node for node in _composed(_Loader(text)) if not _is_empty(node)]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{mark.line + 1}:{mark.column + 1}" if mark else ""
        context = f"{error.context}: " if error.context else ""
        problem = Problem(place, f"is not YAML: {context}{error.problem}", _hint(text, error))
    except yaml.reader.ReaderError as error:
        place = line_column(text, error.position)
        problem = Problem(place, "is not YAML: a control character", "save the file as plain text")
    except (ValueError, OverflowError) as error:  # an escape such as "\UFFFFFFFF"
        problem = Problem("", f"is not YAML: {error}")
    raise ConfigError([problem])


def place_of(node: yaml.Node) -> str:
    """Where a node begins: "line:column"."""
    return f"{node.start_mark.line + 1}:{node.start_mark.column + 1}"


def slip_in(node: yaml.Node, parent: yaml.CollectionNode | None = None) -> Problem | None:
    """What is wrong with a scalar that no config has, but a slip makes; None if it is fine."""
    if not isinstance(node, yaml.ScalarNode) or node.style in ("|", ">"):
        return None
    plain, text = node.style is None, node.value
    listed = isinstance(parent, yaml.SequenceNode)
    in_flow = parent is not None and parent.flow_style
    several_lines = node.end_mark.line > node.start_mark.line
    if plain and _COMMENT.search(text):
        message, hint = "a comment of another language", "a comment of YAML begins with #"
    elif plain and in_flow and not text:
        message, hint = "this key has no value", _MISSING
    elif several_lines and (listed or in_flow):
        message, hint = "this value goes on in the next line", _MISSING
    elif plain and in_flow and ('"' in text or (listed and re.search(r"\s", text))):
        message, hint = "this value holds a quote or a space", _MISSING
    else:
        return None
    return Problem(place_of(node), f"is not YAML for a config: {message}", hint)


def _composed(loader: _Loader) -> Iterator[yaml.Node]:
    while loader.check_node():
        if (node := loader.get_node()) is not None:
            yield node


def _is_empty(node: yaml.Node) -> bool:
    """Whether a document has only comments: nothing at all is null, but not the word null."""
    return isinstance(node, yaml.ScalarNode) and node.style is None and node.value == ""


def _hint(text: str, error: yaml.MarkedYAMLError) -> str | None:
    """A value that begins with * is an alias in YAML, but is probably intended as a glob."""
    if "alias" in f"{error.context} {error.problem}":
        return 'a glob that begins with * needs quotes: "*np0"'
    if "{{" in text:
        return "if this is a template, render it first"
    if _COMMENT.search(text):
        return "a comment of YAML begins with #"
    return None
