"""What a container must get for its slots."""

from tests.heavy.node.node import ADDRESSES

VARIABLE = "RDMA_DP_RDMA_SHARED_DEVICE_A_HCAS"


def nodes_of(*hcas: int) -> set[str]:
    kinds = ("uverbs", "umad", "issm")
    return {"rdma_cm", *(f"{kind}{number}" for number in hcas for kind in kinds)}


def numbers_of(*hcas: int) -> set[str]:
    """The numbers of the HCAs' uverbs nodes."""
    return {f"231:{192 + number}" for number in hcas}


def hcas_of(slots: frozenset[str], per: str) -> list[int]:
    """The HCAs of a container's slots."""
    if per == "resource":
        return sorted(ADDRESSES)
    behind = {slot.rpartition("-")[0] for slot in slots}
    return [number for number, address in ADDRESSES.items() if address in behind]
