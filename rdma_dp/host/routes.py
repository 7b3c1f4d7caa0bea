"""Parse the IPv4 routes of a network namespace. Pure: each parser takes a text and never fails.

Addresses are numbers in /proc/net/route and have dots in /proc/net/fib_trie (kernel
net/ipv4/fib_trie.c). An anonymous snapshot replaces each address by another one, so an address
cannot be compared with a network: only equal networks are equal.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address

ROUTES, FIB_TRIE = "proc/net/route", "proc/net/fib_trie"

DEFAULT = "0.0.0.0"  # the network of a default route  # noqa: S104

# include/uapi/linux/route.h: a route that is used, through a gateway, to one host, that rejects.
_UP, _GATEWAY, _HOST, _REJECT = 0x1, 0x2, 0x4, 0x200
_HEX = re.compile(r"[0-9A-Fa-f]{8}")
_FLAGS = re.compile(r"[0-9A-Fa-f]{1,8}")
_LINE = re.compile(
    r"^(\S+[ \t]+)([0-9A-Fa-f]{8})([ \t]+)([0-9A-Fa-f]{8})(?![^ \t\n])", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Subnet:
    """A network to which interfaces are connected, and the number of bits of its prefix."""

    network: str
    bits: int

    def __str__(self) -> str:
        return f"{self.network}/{self.bits}"


def connected(routes: str) -> Mapping[Subnet, tuple[str, ...]]:
    """The interfaces that are connected to each subnet, from the main table (/proc/net/route)."""
    found: defaultdict[Subnet, dict[str, None]] = defaultdict(dict)
    for words in _rows(routes):
        flags, mask = int(words[3], 16), int(_dotted_number(words[7]))
        if flags & (_UP | _GATEWAY | _HOST | _REJECT) == _UP:
            found[Subnet(_dotted(words[1]), mask.bit_count())][words[0]] = None
    return {subnet: tuple(names) for subnet, names in found.items()}


def with_addresses(routes: str, replaced: Callable[[str], str]) -> str:
    """A text of /proc/net/route with other destinations and gateways; masks stay."""

    def line(found: re.Match[str]) -> str:
        name, destination, blank, gateway = found.groups()
        return (
            f"{name}{_hex(replaced(_dotted(destination)))}{blank}{_hex(replaced(_dotted(gateway)))}"
        )

    return _LINE.sub(line, routes)


def further_tables(fib_trie: str) -> Iterator[frozenset[str]]:
    """The destinations of unicast routes in each table that only rules lead to ("Id 101:")."""
    table: set[str] | None = None
    leaf = ""
    for line in fib_trie.splitlines():
        words = line.split()
        if line[:1] not in ("", " "):
            if table is not None:
                yield frozenset(table)
            table = set() if words[:1] == ["Id"] else None
        elif words[:1] == ["|--"] and len(words) > 1:
            leaf = words[1]
        elif table is not None and words[-1:] == ["UNICAST"]:
            table.add(leaf)
    if table is not None:
        yield frozenset(table)


def _rows(routes: str) -> Iterator[list[str]]:
    for line in routes.splitlines():
        words = line.split()
        numbers = (words[n] for n in (1, 2, 7)) if len(words) > 7 else ()
        if words[7:] and all(map(_HEX.fullmatch, numbers)) and _FLAGS.fullmatch(words[3]):
            yield words


def _dotted_number(word: str) -> IPv4Address:
    """The kernel prints the bytes as a number of the machine, which is little-endian."""
    return IPv4Address(int(word, 16).to_bytes(4, "little"))


def _dotted(word: str) -> str:
    return str(_dotted_number(word))


def _hex(address: str) -> str:
    return f"{int.from_bytes(IPv4Address(address).packed, 'little'):08X}"
