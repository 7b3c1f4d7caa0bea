"""What a verb writes: lines on stdout and stderr, JSON documents, and its exit code."""

import json
import sys
from typing import Any

from rdma_dp.text import printable

OK, FAILED, EMPTY_RESOURCE = 0, 1, 3
NOT_LOOKED = 3  # of doctor, whose 1 and 2 are verdicts
INTERRUPTED = 128 + 2  # as a shell names an end by SIGINT


def complain(line: str) -> None:
    """A line on stderr, under the program's name."""
    print(f"rdma-dp: {printable(line)}", file=sys.stderr)  # noqa: T201


def say(line: str) -> None:
    """A line on stdout."""
    print(printable(line))  # noqa: T201


def print_json(document: dict[str, Any]) -> None:
    """A document on stdout, indented, for people and for programs."""
    print(json.dumps(document, indent=2, ensure_ascii=False))  # noqa: T201
