"""PCI vital product data: is a function the management function of an NVLink switch?

On HGX and DGX boards from B200 on, four ConnectX-7 functions belong to the NVLink switches. Linux
shows them as InfiniBand HCAs, and they may be ACTIVE, but they are for the fabric manager only.
Their VPD has SMDL=SW_MNG.
"""

from collections.abc import Iterator

# PCI Local Bus Specification 3.0, appendix I: resource tags of the VPD.
_LARGE = 0x80
READ_ONLY_FIELDS = 0x90
_END = 0x78
MANAGEMENT_MARK = b"SMDL=SW_MNG"

# Bytes. A card's name and read-only fields take a few hundred. The whole VPD may have 32 KiB, of
# which the kernel reads four bytes at a time from the card (kernel drivers/pci/vpd.c).
READ_LIMIT = 1024


def is_switch_management(vpd: bytes) -> bool:
    """Whether the read-only fields have the mark of an NVLink switch's management function."""
    return any(
        MANAGEMENT_MARK in data for tag, _, data in resources(vpd) if tag == READ_ONLY_FIELDS
    )


def resources(vpd: bytes) -> Iterator[tuple[int, int, bytes]]:
    """The resources as (tag, offset of its data, data), as far as `vpd` has them."""
    position = 0
    while position < len(vpd) and vpd[position] != _END:
        tag = vpd[position]
        if tag & _LARGE:
            header, length = 3, int.from_bytes(vpd[position + 1 : position + 3], "little")
        else:
            header, length = 1, tag & 0x07
        begin = position + header
        yield tag, begin, vpd[begin : begin + length]
        position += header + length
