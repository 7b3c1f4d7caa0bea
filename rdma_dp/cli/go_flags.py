"""Flags as Go's package flag takes them: -v=true and --v, which argparse refuses, and booleans."""

import argparse


def go_version(word: str) -> bool | None:
    """Whether a word asks for the version, in a form that only Go's package flag takes.

    None for any other word. Raises ArgumentTypeError for a value that is no boolean.
    """
    name, equals, value = word.partition("=")
    if name not in ("-v", "--v", "-version", "--version") or not (equals or name == "--v"):
        return None
    return go_bool(value) if equals else True


def go_bool(text: str) -> bool:
    """A boolean as Go's package flag reads it (strconv.ParseBool)."""
    if text in ("1", "t", "T", "true", "TRUE", "True"):
        return True
    if text in ("0", "f", "F", "false", "FALSE", "False"):
        return False
    raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
