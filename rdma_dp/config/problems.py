"""What is wrong with a config, each thing with its place, so that all of it can be told at once."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from rdma_dp.errors import RdmaDpError

Location = tuple[str | int, ...]  # keys and list positions, from the top: ("configList", 0, ...)

_LONGEST_SHOWN = 80  # characters of a foreign value in a message: one line, whatever it holds


@dataclass(frozen=True, slots=True)
class Problem:
    """One error or warning. Its text is one line: `path: message (hint)`.

    `path` is where: keys and positions ("configList[0].rdmaHcaMax") for a value, line:column
    ("3:14") for a syntax error, "" for the file as a whole.
    """

    path: str
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        place = f"{self.path}: " if self.path else ""
        remedy = f" ({self.hint})" if self.hint else ""
        return f"{place}{self.message}{remedy}"

    def in_file(self, file: object) -> str:
        """The line that check-config prints: `file:path: message (hint)`."""
        return f"{file}:{self}" if self.path else f"{file}: {self}"


class ConfigError(RdmaDpError):
    """The config cannot be used: every problem in it, and what else is worth a warning."""

    def __init__(self, problems: Iterable[Problem], warnings: Iterable[Problem] = ()) -> None:
        self.problems = tuple(problems)
        self.warnings = tuple(warnings)
        super().__init__("; ".join(map(str, self.problems)))


class ConfigMissing(ConfigError):  # noqa: N818 (nothing is wrong yet; the daemon waits)
    """There is no config yet: no file, or nothing in it. The daemon waits for one."""

    def __init__(self, message: str) -> None:
        super().__init__([Problem("", message, 'a config begins with {"configList": [...]}')])


class InvalidValue(ValueError):  # noqa: N818 (a verdict on one value, raised by its validator)
    """A value that cannot be used: why, and what to write instead."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def path_of(location: Location) -> str:
    """("configList", 0, "rdmaHcaMax") -> "configList[0].rdmaHcaMax"; odd keys are quoted."""
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
    """A foreign value as one short printable line, quoted as JSON quotes it."""
    if isinstance(value, str):
        text = json.dumps(value[:_LONGEST_SHOWN]).replace("\x7f", "\\u007f")  # JSON lets it pass
        return text + ("..." if value[_LONGEST_SHOWN:] else "")
    text = json.dumps(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."
