"""A bridge's PCI configuration space, as root reads it from the file `config`.

Offsets and numbers are those of the kernel's include/uapi/linux/pci_regs.h.
"""

import struct

_SIZE = 4096
_BRIDGE_HEADER = 1  # PCI_HEADER_TYPE_BRIDGE
_HAS_CAPABILITIES = 0x0010  # PCI_STATUS_CAP_LIST
_EXPRESS_AT, _EXPRESS = 0x40, 0x10  # PCI_CAP_ID_EXP
_ERRORS_AT, _ERRORS = 0x100, 0x0001  # PCI_EXT_CAP_ID_ERR
_ACS_AT, _ACS = 0x148, 0x000D  # PCI_EXT_CAP_ID_ACS
_ALL_SERVICES = 0x005F  # all services except egress control, as in switches
_ROOT_PORT, _UPSTREAM, _DOWNSTREAM = 4, 5, 6  # PCI_EXP_TYPE_*


def encode(pci_id: str, depth: int, acs: str) -> bytes:
    """The config space of a bridge. `depth` is the number of bridges above it.

    `acs` is the control word of its Access Control Services, four hex digits, or "none" for a
    bridge without them.
    """
    vendor, device = (int(part, 16) for part in pci_id.split(":"))
    kind = _ROOT_PORT if depth == 0 else _UPSTREAM if depth % 2 else _DOWNSTREAM
    space = bytearray(_SIZE)
    struct.pack_into("<HHHH", space, 0, vendor, device, 0x0547, _HAS_CAPABILITIES)
    space[0x0E] = _BRIDGE_HEADER
    space[0x34] = _EXPRESS_AT
    struct.pack_into("<BBH", space, _EXPRESS_AT, _EXPRESS, 0, 2 | kind << 4)
    struct.pack_into("<I", space, _ERRORS_AT, _extended(_ERRORS, 0 if acs == "none" else _ACS_AT))
    if acs != "none":
        struct.pack_into("<IHH", space, _ACS_AT, _extended(_ACS, 0), _ALL_SERVICES, int(acs, 16))
    return bytes(space)


def _extended(capability: int, following: int) -> int:
    """The header of an extended capability, version 1."""
    return capability | 1 << 16 | following << 20
