"""Placeholders of templates and examples that were left in a config: "<interface>", "${NIC}".

No name of hardware has these forms, so a value with one of them selects nothing.
"""

import re

from rdma_dp.config.problems import InvalidValue

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
    if _MARKED.search(text) or _ASKING.search(text) or _BLANK_MARKS.fullmatch(text):
        return InvalidValue(
            "is not filled in: a placeholder was left in",
            "write the value itself; if a tool fills it in, run the tool first",
        )
    return None
