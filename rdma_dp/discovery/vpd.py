"""PCI vital product data, read for one thing: is this function an NVLink switch's manager?

On HGX and DGX boards from B200 on, four ConnectX-7 functions belong to the NVLink switches. They
look like InfiniBand HCAs and may even be ACTIVE, but they carry the fabric manager's traffic.
Their VPD says SMDL=SW_MNG.
"""

from collections.abc import Iterator

# PCI Local Bus Specification 3.0, appendix I: resource tags of the VPD.
_LARGE = 0x80
READ_ONLY_FIELDS = 0x90
_END = 0x78
MANAGEMENT_MARK = b"SMDL=SW_MNG"

# Bytes. A card's name and read-only fields take a few hundred; the whole VPD may be 32 KiB, and the
# kernel fetches it from the card four bytes at a time (drivers/pci/vpd.c).
READ_LIMIT = 1024


def is_switch_management(vpd: bytes) -> bool:
    """Whether the read-only fields carry the mark of an NVLink switch's management function."""
    return any(
        MANAGEMENT_MARK in data for tag, _, data in resources(vpd) if tag == READ_ONLY_FIELDS
    )


def resources(vpd: bytes) -> Iterator[tuple[int, int, bytes]]:
    """The resources as (tag, where its data begins, data), as far as they are there."""
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
