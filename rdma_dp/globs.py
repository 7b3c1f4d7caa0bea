"""Shell patterns in selectors: * any text, ? one character, [0-3] one of these, [!0-3] none."""

from fnmatch import fnmatchcase

_SPECIAL = frozenset("*?[")


def is_glob(text: str) -> bool:
    """Whether a text may stand for others beside itself."""
    return not _SPECIAL.isdisjoint(text)


def matches(pattern: str, text: str) -> bool:
    """Whether the pattern means the text. A thing that is really called "eth[1]" means itself."""
    return pattern == text or (is_glob(pattern) and fnmatchcase(text, pattern))
