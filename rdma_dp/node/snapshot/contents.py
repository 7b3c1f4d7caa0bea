"""What a snapshot knows about a tree of files. Pure.

Paths are canonical: relative to the root, without links, "." and ".."; "" is the root.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


class Operation(StrEnum):
    """A question to a tree, named as its method."""

    NAMES = "names"
    TARGET = "target"
    READ = "read"
    STATUS = "status"


@dataclass(frozen=True, slots=True)
class File:
    """A regular file; `content` is None when it was not read."""

    content: bytes | None


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory. `names` is None when it was not listed: it can hold more than is known."""

    names: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Symlink:
    """A symbolic link; `target` is what readlink(2) returns."""

    target: str


@dataclass(frozen=True, slots=True)
class CharNode:
    """A character device; `mode` is that of stat(2), with permissions and type."""

    major: int
    minor: int
    mode: int


@dataclass(frozen=True, slots=True)
class Special:
    """Anything else (a socket, a block device); only its mode is known."""

    mode: int


Entry = File | Directory | Symlink | CharNode | Special


@dataclass(frozen=True, slots=True)
class Contents:
    """A whole tree. `failures` maps a question to its errno.

    A path that is neither in `entries` nor in `failures` does not exist. `magic_links` are the
    links below /proc/PID whose targets are not paths of this tree. `deleted` are directories that
    were deleted, but are still mounted.
    """

    entries: Mapping[str, Entry]
    failures: Mapping[tuple[Operation, str], int] = field(
        default_factory=lambda: MappingProxyType({})
    )
    magic_links: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    deleted: frozenset[str] = frozenset()


def parent_of(path: str) -> str:
    """The directory that a path is in."""
    return path.rpartition("/")[0]


def has_control_character(path: str) -> bool:
    """Whether a path has a character that could control a terminal."""
    return any(character < " " or character == "\x7f" for character in path)


def with_parents(entries: Mapping[str, Entry], unknown: Directory) -> dict[str, Entry]:
    """The entries, and `unknown` for each directory above them that is not an entry itself."""
    found = dict(entries)
    for path in entries:
        parent = parent_of(path)
        while parent not in found:
            found[parent] = unknown
            parent = parent_of(parent)
    found.setdefault("", unknown)
    return found


def in_order(path: str) -> list[str]:
    """Sort key: a directory comes before its contents, and these before the next directory."""
    return path.split("/")
