"""Problems of a config. Each has its place, so that all of them can be reported at once."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from rdma_dp.errors import RdmaDpError
from rdma_dp.text import json_text

Location = tuple[str | int, ...]  # keys and list positions, from the top: ("configList", 0, ...)

_LONGEST_SHOWN = 80  # characters of a config's value in a message, so that it stays on one line


@dataclass(frozen=True, slots=True)
class Problem:
    """One error or warning. Its text is one line: `path: message (hint)`.

    `path` is the place: keys and positions ("configList[0].rdmaHcaMax") for a value, line:column
    ("3:14") for a syntax error, "" for the whole file. `advised` are the selectors that the hint
    names, `mentioned` is a line:column that the message names.
    """

    path: str
    message: str
    hint: str | None = None
    advised: tuple[str, ...] = ()
    mentioned: str = ""

    def __str__(self) -> str:
        place = f"{self.path}: " if self.path else ""
        remedy = f" ({self.hint})" if self.hint else ""
        return f"{place}{self.message}{remedy}"

    def in_file(self, file: object) -> str:
        """The line that check-config prints: `file:path: message (hint)`."""
        return f"{file}:{self}" if self.path else f"{file}: {self}"


class ConfigError(RdmaDpError):
    """A config that cannot be used: all its problems, and all warnings about it."""

    def __init__(self, problems: Iterable[Problem], warnings: Iterable[Problem] = ()) -> None:
        self.problems = tuple(problems)
        self.warnings = tuple(warnings)
        super().__init__("; ".join(map(str, self.problems)))


class ConfigMissing(ConfigError):  # noqa: N818 (not an error yet: the daemon waits)
    """There is no config yet: no file, or an empty one. The daemon waits for it."""

    def __init__(self, message: str) -> None:
        super().__init__([Problem("", message, 'a config begins with {"configList": [...]}')])


class ConfigUnreadable(ConfigError):  # noqa: N818 (as ConfigMissing)
    """The file cannot be read now, which says nothing about its content. The daemon waits."""

    def __init__(self, reason: str) -> None:
        super().__init__([Problem("", f"cannot be read: {reason}")])


class InvalidValue(ValueError):  # noqa: N818 (raised by the validator of one value)
    """A value that cannot be used. `message` is the reason, `hint` what to write instead.

    `advised` are the selectors that the hint names.
    """

    def __init__(self, message: str, hint: str, advised: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.advised = advised


def line_column(text: str, position: int) -> str:
    """The place of a position in a text: "line:column", both from 1."""
    before = text[:position]
    return f"{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"


def path_of(location: Location) -> str:
    """("configList", 0, "rdmaHcaMax") -> "configList[0].rdmaHcaMax"; unusual keys are quoted."""
    path = ""
    for step in location:
        if isinstance(step, int):
            path += f"[{step}]"
        elif re.fullmatch(r"[\w$-]{1,64}", step, re.ASCII):
            path += f".{step}" if path else step
        else:
            path += f"[{shown(step)}]"
    return path


def shown(value: object) -> str:
    """A value of a config as one short printable line, quoted as in JSON."""
    if isinstance(value, str):
        text = json_text(value[:_LONGEST_SHOWN], ascii_only=True)
        return text + ("..." if value[_LONGEST_SHOWN:] else "")
    text = json_text(value, ascii_only=True)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."
