"""What a verb writes: lines on stdout and stderr, JSON documents, and its exit code."""

import sys
from typing import Any

from rdma_dp.text import json_text, one_line, printable

OK, FAILED, EMPTY_RESOURCE = 0, 1, 3
NOT_LOOKED = 3  # doctor could not check the node; its 1 and 2 are results of checks
# `doctor -o npd`, from Node Problem Detector, pkg/custompluginmonitor/plugin/plugin.go
NPD_OK, NPD_PROBLEM, NPD_UNKNOWN = 0, 1, 2
INTERRUPTED = 128 + 2  # a shell's exit code for a process that SIGINT ended


def complain(line: str) -> None:
    """Print a line on stderr, after the program's name."""
    print(f"rdma-dp: {one_line(line)}", file=sys.stderr)  # noqa: T201


def say(line: str) -> None:
    """Print a line on stdout."""
    print(one_line(line))  # noqa: T201


def print_lines(text: str) -> None:
    """Print a text of several lines on stdout."""
    print(printable(text))  # noqa: T201


def print_json(document: dict[str, Any]) -> None:
    """Print a document on stdout as indented JSON."""
    ascii_only = sys.stdout.encoding.lower() != "utf-8"
    print(json_text(document, indent=2, ascii_only=ascii_only))  # noqa: T201
