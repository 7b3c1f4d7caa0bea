"""Vital Product Data of a PCI function, in the format of the file `vpd` (PCI 3.0, appendix I)."""

from collections.abc import Mapping

_IDENTIFIER, _READ_ONLY, _END = 0x82, 0x90, 0x78


def encode(fields: Mapping[str, str]) -> bytes:
    """The file's bytes. `name` is the identifier string, other keys are two-letter fields."""
    identifier = fields.get("name", "ConnectX").encode()
    body = b"".join(_field(key, text.encode()) for key, text in fields.items() if key != "name")
    # RV is the last field. Its first byte makes the sum of all bytes up to it zero. RV's header of
    # three bytes and that byte count in the resource's length (+ 4), and are part of the sum.
    ahead = _large(_IDENTIFIER, identifier) + _header(_READ_ONLY, len(body) + 4)
    ahead += body + b"RV\x01"
    return ahead + bytes([-sum(ahead) % 256, _END])


def _field(key: str, text: bytes) -> bytes:
    return key.encode() + bytes([min(len(text), 255)]) + text[:255]


def _large(tag: int, content: bytes) -> bytes:
    return _header(tag, len(content)) + content


def _header(tag: int, length: int) -> bytes:
    return bytes([tag]) + length.to_bytes(2, "little")
