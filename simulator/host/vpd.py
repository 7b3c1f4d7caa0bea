"""Vital Product Data of a PCI function, as the file `vpd` gives them (PCI 3.0, appendix I)."""

from collections.abc import Mapping

_IDENTIFIER, _READ_ONLY, _END = 0x82, 0x90, 0x78


def encode(fields: Mapping[str, str]) -> bytes:
    """`name` becomes the identifier string, every other key a two-letter read-only field."""
    identifier = fields.get("name", "ConnectX").encode()
    body = b"".join(_field(key, text.encode()) for key, text in fields.items() if key != "name")
    # RV comes last: its first byte makes the sum of everything from the start on zero. Its own
    # three header bytes and the resource's length (hence the 4) are part of that sum.
    ahead = _large(_IDENTIFIER, identifier) + _header(_READ_ONLY, len(body) + 4)
    ahead += body + b"RV\x01"
    return ahead + bytes([-sum(ahead) % 256, _END])


def _field(key: str, text: bytes) -> bytes:
    return key.encode() + bytes([min(len(text), 255)]) + text[:255]


def _large(tag: int, content: bytes) -> bytes:
    return _header(tag, len(content)) + content


def _header(tag: int, length: int) -> bytes:
    return bytes([tag]) + length.to_bytes(2, "little")
