"""Vital Product Data and PCI config space without serial numbers and UUIDs.

Layout and keywords are those of the PCI Local Bus Specification 3.0, appendix I.
"""

from collections.abc import Iterator

from rdma_dp.discovery.pcie_config import ACS, ACS_SIZE, CAPABILITY_HEADER, HEADER, capabilities
from rdma_dp.discovery.vpd import MANAGEMENT_MARK, READ_ONLY_FIELDS, resources

_IDENTIFIER = 0x82  # the product's name

_KEPT = frozenset({b"PN", b"EC"})  # part number, engineering change level

# NVIDIA's vendor fields are MLX:KEY=VALUE:KEY=VALUE... The values of these keys belong to a model,
# not to one card.
_VENDOR_BEGIN = b"MLX:"
_VENDOR_KEPT = frozenset({b"MN", b"CSKU", b"UUID", b"PCI", b"MODL", b"SMDL"})
_LONGEST_KEPT = 8  # bytes of such a value: too short for a UUID or a GUID


def without_serials(vpd: bytes) -> bytes:
    """The same length and structure, with X for each byte that may differ between cards."""
    masked = bytearray(vpd)
    end = 0
    for tag, begin, data in resources(vpd):
        end = begin + len(data)
        if tag == READ_ONLY_FIELDS:
            masked[begin:end] = _read_only(data, bytes(masked[:begin]))
        elif tag != _IDENTIFIER:
            masked[begin:end] = _blank(data)
    rest = end + 1  # after the end tag
    masked[rest:] = bytes(max(0, len(vpd) - rest))
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
    """RV. Its first byte makes the sum of all bytes up to it zero. The rest is reserved."""
    return bytes([-sum(ahead) % 256, *bytes(len(reserved) - 1)]) if reserved else b""


def _each(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The complete fields; a truncated field ends them."""
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
    """Blank, except for the mark that discovery searches for."""
    return MANAGEMENT_MARK.join(map(_blank, data.split(MANAGEMENT_MARK)))


def _blank(data: bytes) -> bytes:
    return b"X" * len(data)


def config_space_without_serials(config: bytes) -> bytes:
    """The same length, with the header, the headers of extended capabilities, and the ACS body."""
    masked = bytearray(len(config))
    masked[:HEADER] = config[:HEADER]
    for position, kind in capabilities(config):
        end = position + (ACS_SIZE if kind == ACS else CAPABILITY_HEADER)
        masked[position:end] = config[position:end]
    return bytes(masked)
