"""The words of a config: what they must look like, and how else people spell them.

A `usual_*` function gives the spelling that matches (sysfs and netlink write it so); it never
fails. A `checked_*` function returns its argument or raises Refused.
"""

import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from types import MappingProxyType

from rdma_dp.model import FunctionType
from rdma_dp.problems import Refused

DEFAULT_PREFIX = "rdma"

# What kubelet and the API server accept (kubernetes apimachinery validation.IsQualifiedName).
NAME_PATTERN = r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?"
PREFIX_PATTERN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
HEX_ID_PATTERN = r"[0-9a-f]{4}"
LONGEST_NAME = 63
# A quota names the resource "requests.PREFIX/NAME", and that is checked as well
# (kubernetes pkg/apis/core/v1/helper IsExtendedResourceName): 253 less its length.
QUOTA_PREFIX = "requests."
LONGEST_PREFIX = 253 - len(QUOTA_PREFIX)
NATIVE_DOMAIN = "kubernetes.io"

# The Go plugin serves resource NAME on NAME.sock beside kubelet's own files and removes what is
# there first. Our sockets cannot collide, but the same config must be safe to take back to it.
RESERVED_NAMES = MappingProxyType({"kubelet": "kubelet.sock, the socket of kubelet itself"})

# As netlink names them (linux/if_arp.h by way of iproute2's ll_types.c).
LINK_TYPES = ("ether", "infiniband")
_LINK_TYPE_ALIASES = MappingProxyType(
    {
        **dict.fromkeys(("ethernet", "eth", "roce", "rocev2", "iwarp"), "ether"),
        **dict.fromkeys(("ib", "ipoib"), "infiniband"),
    }
)

# What an HCA sits on (model.FunctionType).
FUNCTION_TYPES = tuple(FunctionType)
_FUNCTION_TYPE_ALIASES = MappingProxyType(
    {
        **dict.fromkeys(("physical", "physical function", "physfn"), FunctionType.PF),
        **dict.fromkeys(("virtual function", "virtfn"), FunctionType.VF),
        **dict.fromkeys(("subfunction", "scalable", "scalable function"), FunctionType.SF),
        **dict.fromkeys(("rxe", "siw", "software"), FunctionType.VIRTUAL),
    }
)

# The environment variables of a container: what every version of Kubernetes takes in a pod
# (kubernetes apimachinery validation.IsEnvVarName).
VARIABLE_PATTERN = r"[-._a-zA-Z][-._a-zA-Z0-9]*"
_OWN_VARIABLE = re.compile(r"RDMA_DP_[A-Z0-9_]*_HCAS")

# The highest number of a NUMA node: the kernel's MAX_NUMNODES is at most 1024
# (include/linux/numa.h, NODES_SHIFT up to 10 in arch/*/Kconfig).
HIGHEST_NUMA_NODE = 1023

# A device-info file is called PREFIX-NAME-SLOT and this (network-attachment-definition-client,
# getDPDeviceInfoPath).
DEVICE_INFO_END = "-device.json"

# pci.ids, for people who write the maker's name.
_VENDOR_IDS = MappingProxyType(
    {
        "mellanox": "15b3",
        "nvidia": "15b3",
        "intel": "8086",
        "broadcom": "14e4",
        "amazon": "1d0f",
        "microsoft": "1414",
    }
)


def checked_text(text: str) -> str:
    """What can be shown as it is, on one line of a log or of a table."""
    if not text.isprintable():
        raise Refused(
            "holds a character that cannot be printed",
            "no line break, no control character, no half of a surrogate pair",
        )
    return text


def checked_name(name: str) -> str:
    """The part of a resource's name behind the slash."""
    if name in RESERVED_NAMES:
        raise Refused(
            "would collide with a file of kubelet in the Go plugin",
            f"its socket would be {RESERVED_NAMES[name]}; choose another name",
        )
    if "/" in name:
        raise Refused(
            "holds a slash; it is only the part behind it", 'the part before is "resourcePrefix"'
        )
    if len(name) > LONGEST_NAME:
        raise Refused(f"has {len(name)} characters, Kubernetes allows {LONGEST_NAME}", "shorten it")
    if not re.fullmatch(NAME_PATTERN, name):
        raise Refused(
            "is no name that Kubernetes accepts",
            "letters, digits, and between them - _ . as in rdma_shared_device_a",
        )
    return name


def checked_prefix(prefix: str) -> str:
    """The part of a resource's name before the slash: a lowercase DNS subdomain."""
    if prefix.endswith(NATIVE_DOMAIN) or prefix.startswith(QUOTA_PREFIX):
        raise Refused(
            "is reserved by Kubernetes",
            f"not {QUOTA_PREFIX}* and not *{NATIVE_DOMAIN}; take {DEFAULT_PREFIX} or your domain",
        )
    if len(prefix) > LONGEST_PREFIX:
        raise Refused(
            f"has {len(prefix)} characters, Kubernetes allows {LONGEST_PREFIX}", "shorten it"
        )
    if not re.fullmatch(PREFIX_PATTERN, prefix):
        raise Refused(
            "is no DNS name",
            f"lowercase letters, digits, - and . as in {DEFAULT_PREFIX} or rdma.example.com",
        )
    return prefix


def hcas_variable(name: str) -> str:
    """The environment variable that tells a container its HCAs of the resource `name`."""
    return f"RDMA_DP_{re.sub(r'[^A-Za-z0-9]', '_', name).upper()}_HCAS"


def checked_variable(name: str) -> str:
    """An environment variable for the HCAs beside our own."""
    if _OWN_VARIABLE.fullmatch(name):
        raise Refused(
            "is a variable that every container gets anyway",
            "name the one that the program in the container reads, such as NCCL_IB_HCA",
        )
    if not re.fullmatch(VARIABLE_PATTERN, name) or name == "." or name.startswith(".."):
        raise Refused(
            "is no environment variable that Kubernetes accepts",
            "letters, digits, _ - . and no digit first, as in NCCL_IB_HCA",
        )
    return name


def usual_hex_id(text: str) -> str:
    """A PCI vendor or device id as sysfs has it: "0X15B3" -> "15b3", "0x3f" -> "003f"."""
    digits = text.lower().removeprefix("0x")
    return digits.zfill(4) if re.fullmatch(r"[0-9a-f]{1,4}", digits) else text


def checked_vendor(vendor: str) -> str:
    """A usual vendor id: four hex digits."""
    return _checked_hex_id(vendor, "vendor", 'such as "15b3" (NVIDIA/Mellanox)')


def checked_device_id(device_id: str) -> str:
    """A usual device id: four hex digits."""
    return _checked_hex_id(device_id, "device", 'such as "101b" (ConnectX-6)')


def _checked_hex_id(text: str, kind: str, example: str) -> str:
    if re.fullmatch(HEX_ID_PATTERN, text):
        return text
    known = _VENDOR_IDS.get(text.lower()) if kind == "vendor" else None
    raise Refused(
        f"is no PCI {kind} id",
        f'the {kind} id of {text} is "{known}"'
        if known
        else f"four hex digits as lspci -nn shows them in [vendor:device], {example}",
    )


def _usual_word(text: str, words: Collection[str], aliases: Mapping[str, str]) -> str:
    folded = text.lower()
    return aliases.get(folded, folded if folded in words else text)


def usual_link_type(text: str) -> str:
    """A link type as netlink names it: "IB" -> "infiniband", "RoCE" -> "ether"."""
    return _usual_word(text, LINK_TYPES, _LINK_TYPE_ALIASES)


def checked_link_type(link_type: str) -> str:
    """A usual link type: ether or infiniband."""
    if link_type in LINK_TYPES:
        return link_type
    near = get_close_matches(link_type.lower()[:64], LINK_TYPES, n=1)
    raise Refused(
        "is no link type of an HCA",
        f'did you mean "{near[0]}"?' if near else f"one of {', '.join(LINK_TYPES)}",
    )


def usual_function_type(text: str) -> str:
    """What an HCA sits on, in short: "PF" -> "pf", "physical" -> "pf"."""
    return _usual_word(text, FUNCTION_TYPES, _FUNCTION_TYPE_ALIASES)


def checked_function_type(function_type: str) -> str:
    """A usual type of function: pf, vf, sf or virtual."""
    if function_type in FUNCTION_TYPES:
        return function_type
    raise Refused("is no type of function", f"one of {', '.join(FUNCTION_TYPES)}")
