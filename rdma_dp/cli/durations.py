"""Numbers of seconds on the command line."""

import argparse

_LONGEST = 3600.0


def seconds(text: str) -> float:
    """A number above 0 and up to 3600. Raises ArgumentTypeError."""
    try:
        found = float(text)
    except ValueError:
        found = -1
    if not 0 < found <= _LONGEST:  # NaN is neither
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds up to {_LONGEST:g}")
    return found


def seconds_or_zero(text: str) -> float:
    """The same, or 0. Raises ArgumentTypeError."""
    return 0.0 if text == "0" else seconds(text)
