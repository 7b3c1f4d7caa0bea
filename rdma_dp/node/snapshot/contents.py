"""What is known of a tree of files. Pure.

Paths are canonical: relative to the root, without links, "." and ".." on the way; "" is the root.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


class Operation(StrEnum):
    """What was asked of a tree, by the name of its method."""

    NAMES = "names"
    TARGET = "target"
    READ = "read"
    STATUS = "status"


@dataclass(frozen=True, slots=True)
class File:
    """A regular file; `content` is None when nobody read it."""

    content: bytes | None


@dataclass(frozen=True, slots=True)
class Directory:
    """`names` is None when nobody listed it: then more may be in it than is known."""

    names: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Symlink:
    """`target` as it stands in the link."""

    target: str


@dataclass(frozen=True, slots=True)
class CharNode:
    """A character device; `mode` is that of stat(2), permissions and type."""

    major: int
    minor: int
    mode: int


@dataclass(frozen=True, slots=True)
class Special:
    """Anything else (a socket, a block device), of which only its mode is known."""

    mode: int


Entry = File | Directory | Symlink | CharNode | Special


@dataclass(frozen=True, slots=True)
class Contents:
    """All of it. `failures` are errno numbers; whatever is in neither place is not there.

    `magic_links` are the links below /proc/PID whose targets are no paths of this tree.
    """

    entries: Mapping[str, Entry]
    failures: Mapping[tuple[Operation, str], int] = field(
        default_factory=lambda: MappingProxyType({})
    )
    magic_links: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def parent_of(path: str) -> str:
    """The directory that a path is in."""
    return path.rpartition("/")[0]


def has_control_character(path: str) -> bool:
    """Whether a terminal might obey it: nobody calls a file so who means well."""
    return any(character < " " or character == "\x7f" for character in path)


def with_parents(entries: Mapping[str, Entry], unknown: Directory) -> dict[str, Entry]:
    """The entries, and `unknown` for each directory that only follows from them."""
    found = dict(entries)
    for path in entries:
        parent = parent_of(path)
        while parent not in found:
            found[parent] = unknown
            parent = parent_of(parent)
    found.setdefault("", unknown)
    return found


def in_order(path: str) -> list[str]:
    """Sorts a directory before what is in it, and what is in it before its neighbour."""
    return path.split("/")
