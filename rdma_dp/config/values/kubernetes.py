"""The words of a config: what they must look like, and how else people spell them.

A `usual_*` function gives the spelling that matches (sysfs and netlink write it so); it never
fails. A `checked_*` function returns its argument or raises InvalidValue.
"""

import re
from types import MappingProxyType

from rdma_dp.config.problems import InvalidValue
from rdma_dp.formats.list_limit import MESSAGE_LIMIT, MOST_SLOTS

DEFAULT_PREFIX = "rdma"

# What kubelet and the API server accept (kubernetes apimachinery validation.IsQualifiedName).
NAME_PATTERN = r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?"
PREFIX_PATTERN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
LONGEST_NAME = 63
# A quota names the resource "requests.PREFIX/NAME", and that is checked as well
# (kubernetes pkg/apis/core/v1/helper IsExtendedResourceName): 253 less its length.
QUOTA_PREFIX = "requests."
LONGEST_PREFIX = 253 - len(QUOTA_PREFIX)
NATIVE_DOMAIN = "kubernetes.io"

# The Go plugin serves resource NAME on NAME.sock beside kubelet's own files and removes what is
# there first. Our sockets cannot collide, but the same config must be safe to take back to it.
RESERVED_NAMES = MappingProxyType({"kubelet": "kubelet.sock, the socket of kubelet itself"})

# The environment variables of a container: what every version of Kubernetes takes in a pod
# (kubernetes apimachinery validation.IsEnvVarName).
VARIABLE_PATTERN = r"[-._a-zA-Z][-._a-zA-Z0-9]*"
_OWN_VARIABLE = re.compile(r"RDMA_DP_[A-Z0-9_]*_HCAS")


def validated_text(text: str) -> str:
    """What can be shown as it is, on one line of a log or of a table."""
    if not text.isprintable():
        raise InvalidValue(
            "holds a character that cannot be printed",
            "no line break, no control character, no half of a surrogate pair",
        )
    return text


def validated_name(name: str) -> str:
    """The part of a resource's name behind the slash."""
    if name in RESERVED_NAMES:
        raise InvalidValue(
            "would collide with a file of kubelet in the Go plugin",
            f"its socket would be {RESERVED_NAMES[name]}; choose another name",
        )
    if "/" in name:
        raise InvalidValue(
            "holds a slash; it is only the part behind it", 'the part before is "resourcePrefix"'
        )
    if len(name) > LONGEST_NAME:
        raise InvalidValue(
            f"has {len(name)} characters, Kubernetes allows {LONGEST_NAME}", "shorten it"
        )
    if not re.fullmatch(NAME_PATTERN, name):
        raise InvalidValue(
            "is no name that Kubernetes accepts",
            "letters, digits, and between them - _ . as in rdma_shared_device_a",
        )
    return name


def validated_prefix(prefix: str) -> str:
    """The part of a resource's name before the slash: a lowercase DNS subdomain."""
    if prefix.endswith(NATIVE_DOMAIN) or prefix.startswith(QUOTA_PREFIX):
        raise InvalidValue(
            "is reserved by Kubernetes",
            f"not {QUOTA_PREFIX}* and not *{NATIVE_DOMAIN}; take {DEFAULT_PREFIX} or your domain",
        )
    if len(prefix) > LONGEST_PREFIX:
        raise InvalidValue(
            f"has {len(prefix)} characters, Kubernetes allows {LONGEST_PREFIX}", "shorten it"
        )
    if not re.fullmatch(PREFIX_PATTERN, prefix):
        raise InvalidValue(
            "is no DNS name",
            f"lowercase letters, digits, - and . as in {DEFAULT_PREFIX} or rdma.example.com",
        )
    return prefix


def validated_variable(name: str) -> str:
    """An environment variable for the HCAs beside our own."""
    if _OWN_VARIABLE.fullmatch(name):
        raise InvalidValue(
            "is a variable that every container gets anyway",
            "name the one that the program in the container reads, such as NCCL_IB_HCA",
        )
    if not re.fullmatch(VARIABLE_PATTERN, name) or name == "." or name.startswith(".."):
        raise InvalidValue(
            "is no environment variable that Kubernetes accepts",
            "letters, digits, _ - . and no digit first, as in NCCL_IB_HCA",
        )
    return name


def validated_slots(slots: int) -> int:
    """A number of slots that is worth a resource and fits into its list."""
    if slots < 1:
        raise InvalidValue("must be at least 1", "it is how many containers may share the HCAs")
    if slots > MOST_SLOTS:
        raise InvalidValue(
            f"must be at most {MOST_SLOTS}",
            f"kubelet takes no list of slots above {MESSAGE_LIMIT} bytes",
        )
    return slots
