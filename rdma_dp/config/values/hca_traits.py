"""Values of a config that describe HCAs: PCI IDs, link types, function types, NUMA nodes.

A `normalized_*` function returns the spelling of sysfs and netlink; it returns its argument when it
does not know a better one. A `validated_*` function returns its argument or raises InvalidValue.
"""

import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from types import MappingProxyType

from rdma_dp.config.problems import InvalidValue
from rdma_dp.inventory.function_type import FunctionType

HEX_ID_PATTERN = r"[0-9a-f]{4}"


# The names of iproute2 (lib/ll_types.c) for the types in linux/if_arp.h.
LINK_TYPES = ("ether", "infiniband")


_LINK_TYPE_ALIASES = MappingProxyType(
    {
        **dict.fromkeys(("ethernet", "eth", "roce", "rocev2", "iwarp"), "ether"),
        **dict.fromkeys(("ib", "ipoib"), "infiniband"),
    }
)


# The kinds of functions (inventory.hardware.FunctionType).
FUNCTION_TYPES = tuple(FunctionType)


_FUNCTION_TYPE_ALIASES = MappingProxyType(
    {
        **dict.fromkeys(("physical", "physical function", "physfn"), FunctionType.PF),
        **dict.fromkeys(("virtual function", "virtfn"), FunctionType.VF),
        **dict.fromkeys(("subfunction", "scalable", "scalable function"), FunctionType.SF),
        **dict.fromkeys(("rxe", "siw", "software"), FunctionType.VIRTUAL),
    }
)


# The highest number of a NUMA node: the kernel's MAX_NUMNODES is at most 1024
# (include/linux/numa.h, NODES_SHIFT up to 10 in arch/*/Kconfig).
HIGHEST_NUMA_NODE = 1023


# From pci.ids, for configs that have the name of a vendor.
VENDOR_IDS = MappingProxyType(
    {
        "mellanox": "15b3",
        "nvidia": "15b3",
        "intel": "8086",
        "broadcom": "14e4",
        "amazon": "1d0f",
        "microsoft": "1414",
    }
)


# The RDMA modules with the PCI drivers that they belong to (kernel drivers/infiniband/hw).
# `drivers` compares the driver of the function.
PCI_DRIVERS = MappingProxyType(
    {
        "mlx5_ib": ("mlx5_core",),
        "mlx5_en": ("mlx5_core",),
        "mlx4_ib": ("mlx4_core",),
        "mlx4_en": ("mlx4_core",),
        "bnxt_re": ("bnxt_en",),
        "irdma": ("ice", "i40e", "idpf"),
        "ocrdma": ("be2net",),
        "iw_cxgb4": ("cxgb4",),
        "hns_roce_hw_v2": ("hns3",),
        "ionic_rdma": ("ionic",),
        "mana_ib": ("mana",),
        "qedr": ("qede",),
    }
)
# Short names of drivers. As other values they are names as any.
SHORT_DRIVERS = MappingProxyType({"mlx5": "mlx5_core", "mlx4": "mlx4_core", "bnxt": "bnxt_en"})
_OMNI_PATH = ("opa", "omnipath", "omni-path")


def normalized_hex_id(text: str) -> str:
    """A PCI vendor or device ID as in sysfs: "0X15B3" -> "15b3", "0x3f" -> "003f"."""
    digits = text.lower().removeprefix("0x")
    return digits.zfill(4) if re.fullmatch(r"[0-9a-f]{1,4}", digits) else text


def validated_vendor(vendor: str) -> str:
    """A PCI vendor ID: four hex digits."""
    return _validated_hex_id(vendor, "vendor", 'such as "15b3" (NVIDIA/Mellanox)')


def validated_device_id(device_id: str) -> str:
    """A PCI device ID: four hex digits."""
    return _validated_hex_id(device_id, "device", 'such as "101b" (ConnectX-6)')


def _validated_hex_id(text: str, kind: str, example: str) -> str:
    if re.fullmatch(HEX_ID_PATTERN, text):
        return text
    known = VENDOR_IDS.get(text.lower()) if kind == "vendor" else None
    raise InvalidValue(
        f"is not a PCI {kind} ID",
        f'the {kind} ID of {text} is "{known}"'
        if known
        else f"four hex digits as lspci -nn shows them in [vendor:device], {example}",
    )


def _normalized_word(text: str, words: Collection[str], aliases: Mapping[str, str]) -> str:
    folded = text.lower()
    return aliases.get(folded, folded if folded in words else text)


def normalized_link_type(text: str) -> str:
    """A link type as in netlink: "IB" -> "infiniband", "RoCE" -> "ether"."""
    return _normalized_word(text, LINK_TYPES, _LINK_TYPE_ALIASES)


def validated_link_type(link_type: str) -> str:
    """A link type: ether or infiniband."""
    if link_type in LINK_TYPES:
        return link_type
    if link_type.lower() in _OMNI_PATH:
        hint = 'Omni-Path counts as "infiniband"; "drivers": ["hfi1"] takes only Omni-Path'
        raise InvalidValue("is not a link type of an HCA", hint)
    near = get_close_matches(link_type.lower()[:64], LINK_TYPES, n=1)
    raise InvalidValue(
        "is not a link type of an HCA",
        f'did you mean "{near[0]}"?' if near else f"one of {', '.join(LINK_TYPES)}",
    )


def normalized_function_type(text: str) -> str:
    """The kind of a function: "PF" -> "pf", "physical" -> "pf"."""
    return _normalized_word(text, FUNCTION_TYPES, _FUNCTION_TYPE_ALIASES)


def validated_function_type(function_type: str) -> str:
    """The kind of a function: pf, vf, sf or virtual."""
    if function_type in FUNCTION_TYPES:
        return function_type
    raise InvalidValue("is not a type of function", f"one of {', '.join(FUNCTION_TYPES)}")
