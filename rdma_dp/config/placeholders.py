"""Placeholders of templates and examples that were left in a config: "<interface>", "${NIC}".

No name of hardware has these forms, so a value with one of them selects nothing.
"""

import re

from rdma_dp.config.problems import InvalidValue

LEFT_IN = "a placeholder was left in"
REMEDY = "write the value itself; if a tool fills it in, run the tool first"

# Marks of templates (shells, envsubst, Helm, Jinja, ERB, Ansible, CI systems), and words in <>.
_MARKED = re.compile(
    r"<[^<>]*>|\$\{|\$\(|\{\{|\}\}|\{%|#\{|\{[A-Za-z_][\w. -]*\}"
    r"|\$[A-Za-z_]\w*|%[A-Za-z_]\w*%|@[A-Za-z_][\w-]*@|__[A-Z][A-Z0-9_]*__"
)
# Words that ask for a value. Short ones count in capitals only: "todo" can be a name.
_ASKING = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"(?i:your[-_ .](?=\w)|"
    r"(?:(?:change|replace|fill|edit|set)(?:[-_ ]?me|[-_ ](?:this|in|with))|placeholder"
    r"|(?:insert|put|enter|fill|write)[-_ ].{0,60}here)(?![A-Za-z]))"
    r"|(?:TODO|FIXME|TBD)(?![A-Za-z]))"
)
# The name of a value in its place: "interface-name", "ifName", "[iface]". [a-z] is a glob.
_NAMED = re.compile(
    r"(?:network[-_ ]?)?(?i:interface|iface|if|nic|netdev|net-?device|device|hca|pf|driver|vendor)"
    r"(?:[-_ ](?i:name|id|address)|(?:Name|ID|Id|Address))|\[[A-Za-z]{3,}(?:[-_ .][A-Za-z]+)*\]"
)
_BLANK_MARKS = re.compile(
    r"(?i:x{3,15}(?:[:._-]x+)*)|\.{3,}|\u2026"
)  # "xxx", "xxxx:xx:xx.x", "..."


def validated(text: str) -> str:
    """A text without a placeholder."""
    if refused := left_in(text):
        raise refused
    return text


def left_in(text: str) -> InvalidValue | None:
    """The problem of a text with a placeholder; None if it has none."""
    whole = _BLANK_MARKS.fullmatch(text) or _NAMED.fullmatch(text)
    if whole or _MARKED.search(text) or _ASKING.search(text):
        return InvalidValue(f"is not filled in: {LEFT_IN}", REMEDY)
    return None


def begins_at(text: str, position: int) -> bool:
    """Whether a placeholder of a template begins at a position of a text."""
    return _MARKED.match(text, position) is not None
