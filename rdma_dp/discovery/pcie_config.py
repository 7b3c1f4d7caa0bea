"""PCI configuration space: does a bridge redirect peer-to-peer traffic to the CPU (ACS)?

The numbers are from the kernel's include/uapi/linux/pci_regs.h.
"""

from collections.abc import Iterator
from dataclasses import dataclass

# Bytes of a PCIe function. A PCI function has 256. A process that is not root can read 64 (kernel
# drivers/pci/pci-sysfs.c, pci_read_config).
SIZE = 4096

HEADER = 64  # bytes that every process may read (PCI_STD_HEADER_SIZEOF)
CAPABILITY_HEADER = 4  # bytes: id, version and offset of the next one
ACS = 0x000D  # PCI_EXT_CAP_ID_ACS
ACS_SIZE = 8  # bytes that are read here

_FIRST_CAPABILITY = 0x100
_ACS_CONTROL = 6  # PCI_ACS_CTRL, 16 bits
_REQUEST_REDIRECT, _COMPLETION_REDIRECT, _EGRESS_CONTROL = 0x04, 0x08, 0x20
_ABSENT = (0, 0xFFFFFFFF)


@dataclass(frozen=True, slots=True)
class Acs:
    """The Access Control Services of a port. `control` is None where the port has none."""

    control: int | None = None

    @property
    def redirects(self) -> bool:
        """Whether it redirects traffic between two devices below it to the CPU, or blocks it."""
        switches = _REQUEST_REDIRECT | _COMPLETION_REDIRECT | _EGRESS_CONTROL
        return bool((self.control or 0) & switches)


def acs(config: bytes) -> Acs | None:
    """The ACS of a function; None if its extended capabilities are not in `config`."""
    if len(config) <= _FIRST_CAPABILITY:
        return None
    for position, kind in capabilities(config):
        if kind is None:
            return None
        if kind == ACS:
            control = _number(config, position + _ACS_CONTROL, 2)
            return None if control is None else Acs(control)
    return Acs()


def capabilities(config: bytes) -> Iterator[tuple[int, int | None]]:
    """The offset and id of each extended capability; the id is None if the data ends before it."""
    seen = set()
    position = _FIRST_CAPABILITY
    while position >= _FIRST_CAPABILITY and position not in seen:
        seen.add(position)
        header = _number(config, position, CAPABILITY_HEADER)
        if header is None:
            yield position, None
            return
        if header in _ABSENT:
            return
        yield position, header & 0xFFFF
        position = header >> 20 & ~3  # the lowest two bits are reserved


def _number(data: bytes, position: int, length: int) -> int | None:
    cut = data[position : position + length]
    return int.from_bytes(cut, "little") if len(cut) == length else None
