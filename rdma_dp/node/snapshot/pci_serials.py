"""Vital product data without what is unique to a card: serial numbers and UUIDs.

Layout and keywords are those of the PCI Local Bus Specification 3.0, appendix I.
"""

from collections.abc import Iterator

from rdma_dp.discovery.pcie_config import ACS, ACS_SIZE, CAPABILITY_HEADER, HEADER, capabilities
from rdma_dp.discovery.vpd import MANAGEMENT_MARK, READ_ONLY_FIELDS, resources

_IDENTIFIER = 0x82  # the product's name

_KEPT = frozenset({b"PN", b"EC"})  # part number, engineering change level

# NVIDIA's vendor fields are MLX:KEY=VALUE:KEY=VALUE...; of these keys every value is that of a
# model, not of a card.
_VENDOR_BEGIN = b"MLX:"
_VENDOR_KEPT = frozenset({b"MN", b"CSKU", b"UUID", b"PCI", b"MODL", b"SMDL"})
_LONGEST_KEPT = 8  # bytes of such a value: no UUID, no GUID fits


def without_serials(vpd: bytes) -> bytes:
    """The same length and structure, with X for each byte that may tell one card from another."""
    masked = bytearray(vpd)
    end = 0
    for tag, begin, data in resources(vpd):
        end = begin + len(data)
        if tag == READ_ONLY_FIELDS:
            masked[begin:end] = _read_only(data, bytes(masked[:begin]))
        elif tag != _IDENTIFIER:
            masked[begin:end] = _blank(data)
    behind = end + 1  # the end tag
    masked[behind:] = bytes(max(0, len(vpd) - behind))
    return bytes(masked)


def _read_only(data: bytes, ahead: bytes) -> bytes:
    masked = _fields(data, ahead)
    return masked if (MANAGEMENT_MARK in data) == (MANAGEMENT_MARK in masked) else _marked(data)


def _fields(data: bytes, ahead: bytes) -> bytes:
    done = b""
    for key, value in _each(data):
        done += data[len(done) : len(done) + 3]
        done += _checksum(ahead + done, value) if key == b"RV" else _value(key, value)
    return done + _blank(data[len(done) :])


def _checksum(ahead: bytes, reserved: bytes) -> bytes:
    """The first byte makes the sum of all bytes up to it zero; the others are reserved."""
    return bytes([-sum(ahead) % 256, *bytes(len(reserved) - 1)]) if reserved else b""


def _each(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The whole fields; one that is cut off ends them."""
    position = 0
    while position + 3 <= len(data):
        end = position + 3 + data[position + 2]
        if end > len(data):
            return
        yield data[position : position + 2], data[position + 3 : end]
        position = end


def _value(key: bytes, value: bytes) -> bytes:
    if key in _KEPT:
        return value
    if not value.startswith(_VENDOR_BEGIN):
        return _blank(value)
    return _VENDOR_BEGIN + b":".join(map(_pair, value[len(_VENDOR_BEGIN) :].split(b":")))


def _pair(part: bytes) -> bytes:
    key, equals, value = part.partition(b"=")
    kept = key in _VENDOR_KEPT and len(value) <= _LONGEST_KEPT
    return part if kept else _blank(key) + equals + _blank(value)


def _marked(data: bytes) -> bytes:
    """Blank but for the mark that discovery looks for."""
    return MANAGEMENT_MARK.join(map(_blank, data.split(MANAGEMENT_MARK)))


def _blank(data: bytes) -> bytes:
    return b"X" * len(data)


def config_space_without_serials(config: bytes) -> bytes:
    """The header, the chain of extended capabilities, and of these ACS alone; the same length."""
    masked = bytearray(len(config))
    masked[:HEADER] = config[:HEADER]
    for position, kind in capabilities(config):
        end = position + (ACS_SIZE if kind == ACS else CAPABILITY_HEADER)
        masked[position:end] = config[position:end]
    return bytes(masked)
