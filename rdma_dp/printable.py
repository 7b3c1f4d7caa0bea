"""Names and texts of a host, or of somebody's snapshot, for a terminal that would obey some."""

import re

_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # control characters, but tab and newline


def printable(text: str) -> str:
    """With a mark for each control character."""
    return _OBEYED.sub("\ufffd", text)
