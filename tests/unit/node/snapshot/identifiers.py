"""Hypothesis strategies: addresses and names of a made-up site, and every form that files use."""

from ipaddress import IPv4Address, IPv6Address, ip_network

from hypothesis import strategies as st

LINK_LOCAL = 0xFE80_0000_0000_0000  # a prefix that names no host


def is_mask(address: int) -> bool:
    inverted = ~address & 0xFFFFFFFF
    return inverted & (inverted + 1) == 0


def guid_of(mac: int, middle: int) -> int:
    return mac >> 24 << 40 | middle << 24 | mac & 0xFFFFFF


# Without the range of the pseudonyms (RFC 9542). hypothesis tries the constants in our code, and a
# site's MAC could then equal the end of another pseudonym by chance.
macs = st.integers(1 << 24, (1 << 48) - 2).filter(lambda mac: "5e0" not in f"{mac:012x}")
guids = st.one_of(
    st.integers(1 << 40, (1 << 64) - 2).filter(lambda guid: guid != LINK_LOCAL),
    st.builds(guid_of, macs, st.sampled_from([0x0300, 0xFFFE])),
)
_KEPT = [ip_network(n) for n in ("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3")]
ipv4s = st.integers(1 << 24, (1 << 32) - 1).filter(
    lambda n: not any(IPv4Address(n) in network for network in _KEPT) and not is_mask(n)
)
ipv6s = st.builds(lambda p, lower: p << 64 | lower, st.integers(1 << 61, (1 << 62) - 1), guids)
labels = st.from_regex(r"\A[a-z]{2}[a-z0-9]{2,8}-[0-9]{2,4}\Z").filter(
    lambda name: not name.startswith(("host", "sys", "dev"))
)


def eui64(mac: int) -> int:
    """The interface identifier of an IPv6 address (RFC 4291, appendix A)."""
    return guid_of(mac ^ 1 << 41, 0xFFFE)


def by_bytes(value: int, count: int, separator: str = ":") -> str:
    return value.to_bytes(count, "big").hex(separator)


def in_fours(value: int, digits: int) -> str:
    text = f"{value:0{digits}x}"
    return ":".join(text[i : i + 4] for i in range(0, digits, 4))


def ipv6(value: int) -> str:
    return str(IPv6Address(value))


def ipv4(value: int) -> str:
    return str(IPv4Address(value))
