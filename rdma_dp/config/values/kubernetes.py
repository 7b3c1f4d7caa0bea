"""Values of a config that Kubernetes restricts: names, prefixes, variables, numbers of slots.

A `validated_*` function returns its argument or raises InvalidValue.
"""

import re
from types import MappingProxyType

from rdma_dp.config.problems import InvalidValue
from rdma_dp.formats.list_size import MESSAGE_LIMIT, MOST_SLOTS

DEFAULT_PREFIX = "rdma"

# What kubelet and the API server accept (kubernetes apimachinery validation.IsQualifiedName).
NAME_PATTERN = r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?"
PREFIX_PATTERN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
LONGEST_NAME = 63
# A quota names the resource "requests.PREFIX/NAME". Kubernetes checks that name as well
# (pkg/apis/core/v1/helper IsExtendedResourceName), so the limit is 253 minus its length.
QUOTA_PREFIX = "requests."
LONGEST_PREFIX = 253 - len(QUOTA_PREFIX)
NATIVE_DOMAIN = "kubernetes.io"

# The name of a DRA driver (kubernetes pkg/apis/resource/validation, DriverNameMaxLength).
LONGEST_DRIVER = 63

# The Go plugin serves resource NAME on NAME.sock in kubelet's directory and removes an existing
# file first. Our sockets have other names, but the config must be safe for the Go plugin as well.
RESERVED_NAMES = MappingProxyType({"kubelet": "kubelet.sock, the socket of kubelet itself"})

# The environment variables that every version of Kubernetes accepts in a pod (kubernetes
# apimachinery validation.IsEnvVarName).
VARIABLE_PATTERN = r"[-._a-zA-Z][-._a-zA-Z0-9]*"
_OWN_VARIABLE = re.compile(r"RDMA_DP_[A-Z0-9_]*_HCAS")


def validated_text(text: str) -> str:
    """Text that can be printed on one line of a log or a table."""
    if not text.isprintable():
        raise InvalidValue(
            "holds a character that cannot be printed",
            "remove line breaks, control characters and unpaired surrogates",
        )
    return text


def validated_name(name: str) -> str:
    """The part of a resource's name after the slash."""
    if name in RESERVED_NAMES:
        raise InvalidValue(
            "is reserved: the Go plugin would overwrite a file of kubelet",
            f"its socket would be {RESERVED_NAMES[name]}; choose another name",
        )
    if "/" in name:
        raise InvalidValue(
            "holds a slash; it is only the part after the slash",
            'the part before it is "resourcePrefix"',
        )
    _check_length(name, LONGEST_NAME)
    if not re.fullmatch(NAME_PATTERN, name):
        raise InvalidValue(
            "is not a name that Kubernetes accepts",
            "letters, digits, and between them - _ . as in rdma_shared_device_a",
        )
    return name


def validated_prefix(prefix: str) -> str:
    """The part of a resource's name before the slash: a lowercase DNS subdomain."""
    if prefix.endswith(NATIVE_DOMAIN) or prefix.startswith(QUOTA_PREFIX):
        raise InvalidValue(
            "is reserved by Kubernetes",
            f"not {QUOTA_PREFIX}* and not *{NATIVE_DOMAIN}; use {DEFAULT_PREFIX} or your domain",
        )
    return _dns_name(prefix, LONGEST_PREFIX, f"{DEFAULT_PREFIX} or rdma.example.com")


def validated_driver(name: str) -> str:
    """The name of a DRA driver: a lowercase DNS subdomain."""
    return _dns_name(name, LONGEST_DRIVER, "hca.rdma-dp.dev")


def _dns_name(name: str, longest: int, examples: str) -> str:
    _check_length(name, longest)
    if not re.fullmatch(PREFIX_PATTERN, name):
        hint = f"lowercase letters, digits, - and . as in {examples}"
        raise InvalidValue("is not a DNS name", hint)
    return name


def _check_length(name: str, longest: int) -> None:
    if len(name) > longest:
        raise InvalidValue(f"has {len(name)} characters, Kubernetes allows {longest}", "shorten it")


def validated_variable(name: str) -> str:
    """The name of an environment variable that is not one of our own."""
    if _OWN_VARIABLE.fullmatch(name):
        raise InvalidValue(
            "is a variable that every container gets already",
            "use the variable that the program in the container reads, such as NCCL_IB_HCA",
        )
    if not re.fullmatch(VARIABLE_PATTERN, name) or name == "." or name.startswith(".."):
        raise InvalidValue(
            "is not an environment variable that Kubernetes accepts",
            "letters, digits, _ - . but not a digit first, as in NCCL_IB_HCA",
        )
    return name


def validated_slots(slots: int) -> int:
    """A number of slots that is at least 1 and fits into kubelet's list."""
    if slots < 1:
        raise InvalidValue("must be at least 1", "it is how many containers may share the HCAs")
    if slots > MOST_SLOTS:
        raise InvalidValue(
            f"must be at most {MOST_SLOTS}",
            f"kubelet accepts no list of slots above {MESSAGE_LIMIT} bytes",
        )
    return slots
