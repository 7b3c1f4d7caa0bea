"""PCI configuration space without what names a card: its serial number is made of a MAC address.

Kept is what discovery reads; everything else, known or not, is zeros.
"""

from rdma_dp.discovery.config_space import (
    ACS,
    ACS_SIZE,
    CAPABILITY_HEADER,
    HEADER,
    capabilities,
)


def without_serials(config: bytes) -> bytes:
    """The header, the chain of extended capabilities, and of these ACS alone; the same length."""
    masked = bytearray(len(config))
    masked[:HEADER] = config[:HEADER]
    for position, kind in capabilities(config):
        end = position + (ACS_SIZE if kind == ACS else CAPABILITY_HEADER)
        masked[position:end] = config[position:end]
    return bytes(masked)
