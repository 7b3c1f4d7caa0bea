"""Pseudonyms for the numbers that name hardware and hosts. Pure. All values are integers.

A MAC is an OUI (24 bits) and a serial number (24 bits). Most GUIDs are made from a MAC: the OUI, 16
bits in the middle, the serial number. So is the lower half of many GIDs. Numbers that are made from
one MAC get pseudonyms that are made from one MAC. Equal numbers get equal pseudonyms.
"""

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

from rdma_dp.errors import RdmaDpError

# The start of the range for documentation, 00-00-5E-00-53-xx (RFC 9542); it continues beyond that.
_FIRST_MAC = 0x00005E_005300
# Middle bits of GUIDs that are made from a MAC: EUI-64 (IEEE), and those that Mellanox uses.
_FROM_MAC = frozenset({0xFFFE, 0xFFFF, 0x0300})
_FIRST_GUID = 0x00005E_0001_000001  # other GUIDs: the middle is not in _FROM_MAC

_BENCHMARK = IPv4Network("198.18.0.0/15")  # RFC 2544: for benchmarks
_FIRST_PREFIX = 0x20010DB8_00000001  # upper half of IPv6 addresses for documentation (RFC 3849)

_IPV4_MAPPED = 0xFFFF  # the upper 96 bits of ::ffff:0:0/96
_LINK_LOCAL = 0xFE80_0000_0000_0000  # also the default subnet prefix of InfiniBand
_SHARED_BITS = 0x03  # of a MAC's first byte: multicast, locally administered

_HALF = (1 << 64) - 1


@dataclass(slots=True)
class Table:
    """Pseudonyms, given in ascending order. None of them is an original."""

    next: int
    end: int
    originals: set[int] = field(default_factory=set)
    given: dict[int, int] = field(default_factory=dict)

    def pseudonym(self, original: int) -> int:
        """The pseudonym of an original. Raises RdmaDpError when there are no more."""
        if original not in self.given:
            while self.next in self.originals:
                self.next += 1
            if self.next >= self.end:
                raise RdmaDpError("there are too many addresses to replace", "use --raw")
            self.given[original] = self.next
            self.next += 1
        return self.given[original]


class Identities:
    """All tables. Call `note_*` for all originals first: no pseudonym may equal an original."""

    def __init__(self) -> None:
        self._macs = Table(_FIRST_MAC, _FIRST_MAC + (1 << 23))
        self._guids = Table(_FIRST_GUID, _FIRST_GUID + (1 << 23))
        self._prefixes = Table(_FIRST_PREFIX, _FIRST_PREFIX + (1 << 31))
        first = int(_BENCHMARK.network_address)
        self._ipv4 = Table(first + 1, first + _BENCHMARK.num_addresses)

    def note_mac(self, mac: int) -> None:
        """Record an original MAC."""
        self._macs.originals.add(_without_bits(mac, 48))

    def note_guid(self, guid: int) -> None:
        """Record an original GUID."""
        if _is_from_mac(guid):
            self.note_mac(_mac_of(guid))
        else:
            self._guids.originals.add(_without_bits(guid, 64))
        self._prefixes.originals.add(guid)  # a GUID is as long as a prefix

    def note_gid(self, gid: int) -> None:
        """Record an original GID or IPv6 address."""
        if gid >> 32 == _IPV4_MAPPED:
            self.note_ipv4(gid & 0xFFFFFFFF)
        else:
            self._prefixes.originals.add(gid >> 64)
            self.note_guid(gid & _HALF)

    def note_ipv4(self, address: int) -> None:
        """Record an original IPv4 address."""
        self._ipv4.originals.add(address)

    def knows_mac(self, mac: int) -> bool:
        """Whether this MAC was recorded."""
        return _without_bits(mac, 48) in self._macs.originals

    def knows_guid(self, guid: int) -> bool:
        """Whether this GUID, or the MAC that it is made from, was recorded."""
        if _is_from_mac(guid):
            return self.knows_mac(_mac_of(guid))
        return _without_bits(guid, 64) in self._guids.originals

    def mac(self, mac: int) -> int:
        """The pseudonym of a MAC. The multicast and local bits are kept."""
        if mac in (0, (1 << 48) - 1):
            return mac
        return _with_bits_of(mac, self._macs.pseudonym(_without_bits(mac, 48)), 48)

    def guid(self, guid: int) -> int:
        """The pseudonym of a GUID. One that is made from a MAC stays so."""
        if guid in (0, _HALF):
            return guid
        if _is_from_mac(guid):
            return _guid_of(self.mac(_mac_of(guid)), guid >> 24 & 0xFFFF)
        return _with_bits_of(guid, self._guids.pseudonym(_without_bits(guid, 64)), 64)

    def gid(self, gid: int) -> int:
        """The pseudonym of a GID or an IPv6 address. On RoCE, these are the same."""
        prefix, lower = gid >> 64, gid & _HALF
        if gid in (0, 1) or _is_well_known_multicast(prefix, lower):
            return gid
        if gid >> 32 == _IPV4_MAPPED:
            return _IPV4_MAPPED << 32 | self.ipv4(gid & 0xFFFFFFFF)
        if lower == 0 and prefix & 0xFFFF == 0 and self.knows_mac(prefix >> 16):
            return self.mac(prefix >> 16) << 80  # of an iWARP device (kernel siw_query_gid)
        return self._prefix(prefix) << 64 | self.guid(lower)

    def ipv4(self, address: int) -> int:
        """The pseudonym. Loopback, masks, multicast, 0.0.0.0 and broadcast are kept."""
        found = IPv4Address(address)
        inverted = ~address & 0xFFFFFFFF
        is_mask = inverted & (inverted + 1) == 0
        if found.is_loopback or found.is_multicast or address == 0 or is_mask:
            return address
        return self._ipv4.pseudonym(address)

    def counts(self) -> dict[str, int]:
        """The number of pseudonyms of each kind."""
        return {
            "MACs": len(self._macs.given),
            "GUIDs that are not made from a MAC": len(self._guids.given),
            "IPv4 addresses": len(self._ipv4.given),
            "IPv6 and GID prefixes": len(self._prefixes.given),
        }

    def _prefix(self, prefix: int) -> int:
        return prefix if prefix in (0, _LINK_LOCAL) else self._prefixes.pseudonym(prefix)


def reversed_bytes(guid: int) -> int:
    """The other byte order, which mlx5 uses for phys_switch_id (kernel mlx5/core/en_rep.c)."""
    return int.from_bytes(guid.to_bytes(8, "little"), "big")


def _is_from_mac(guid: int) -> bool:
    return guid >> 24 & 0xFFFF in _FROM_MAC and _mac_of(guid) != 0


def _mac_of(guid: int) -> int:
    return guid >> 40 << 24 | guid & 0xFFFFFF


def _guid_of(mac: int, middle: int) -> int:
    return mac >> 24 << 40 | middle << 24 | mac & 0xFFFFFF


def _without_bits(value: int, width: int) -> int:
    return value & ~(_SHARED_BITS << width - 8)


def _with_bits_of(value: int, pseudonym: int, width: int) -> int:
    return pseudonym | value & _SHARED_BITS << width - 8


def _is_well_known_multicast(prefix: int, lower: int) -> bool:
    return prefix >> 56 == 0xFF and (lower <= 0xFFFF or lower == 0xFFFFFFFF)
