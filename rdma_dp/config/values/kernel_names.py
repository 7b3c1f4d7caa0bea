"""Names of interfaces, HCAs and drivers in a config: which names the kernel can give at all.

A name or a glob that no device can have selects nothing, so it is a mistake. A `validated_*`
function returns its argument or raises InvalidValue. Lengths are in bytes.
"""

from rdma_dp.config.problems import InvalidValue
from rdma_dp.config.values import globs

# An interface is also selected by an alternative name, so the limit is that of ALTIFNAMSIZ
# (include/uapi/linux/if.h) instead of IFNAMSIZ, which allows 15; both count a final NUL.
LONGEST_INTERFACE = 127
LONGEST_HCA = 63  # IB_DEVICE_NAME_MAX (include/uapi/rdma/ib_user_verbs.h), with a final NUL

_DIRECTORY = "holds a slash, which no {} has"
_ONLY_NAME = "only the name, without a path"


def validated_interface(name: str) -> str:
    """A name of a network interface, or a glob of such names.

    The kernel refuses these names in dev_valid_name (net/core/dev.c). Alternative names get the
    same checks in iproute2 and systemd.
    """
    text = _validated_name(name, "interface", LONGEST_INTERFACE)
    if ":" in text:
        raise InvalidValue('holds ":", which no interface has', "only the name, without a port")
    if any(map(str.isspace, text)):
        raise InvalidValue("holds a space, which no interface has", "write one value for each name")
    return name


def doubtful_interface(name: str) -> InvalidValue | None:
    """Why a name or a glob of interfaces matches less than it seems to; None if it does not.

    The kernel accepts these signs, but no tool gives such a name.
    """
    text = globs.outside_brackets(name.partition("#")[0])  # behind it: numbers of VFs
    first, at, _ = text.partition("@")
    if first and at:
        return InvalidValue(
            'holds "@", behind which `ip link` shows another interface', f'only the name: "{first}"'
        )
    return globs.doubtful(name)


def validated_hca(name: str) -> str:
    """A name of an HCA, or a glob of such names."""
    _validated_name(globs.validated_name(name), "HCA", LONGEST_HCA)
    return name


def validated_driver(name: str) -> str:
    """A name of a kernel driver. Globs are refused, because drivers are compared for equality."""
    _validated_name(name, "driver", LONGEST_INTERFACE)
    for sign in ":*?[,;|":
        if sign in name:
            raise InvalidValue(
                f'holds "{sign}", which no driver has',
                "a whole name as lspci -k shows it, without globs",
            )
    return name


def _validated_name(name: str, kind: str, longest: int) -> str:
    """The name without its brackets, which may hold anything."""
    text = globs.outside_brackets(name)
    if name in (".", ".."):
        raise InvalidValue(f"is the name of no {kind}", "write the name of a device")
    if "/" in text:
        raise InvalidValue(_DIRECTORY.format(kind), _ONLY_NAME)
    length = len(text.replace("*", "").encode("utf-8", "surrogatepass"))
    if length > longest:
        raise InvalidValue(
            f"has {length} characters; the name of {_an(kind)} has at most {longest}",
            "write the name as the node shows it",
        )
    return text


def _an(kind: str) -> str:
    return f"{'a' if kind == 'driver' else 'an'} {kind}"
