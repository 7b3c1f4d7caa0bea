"""The Container Device Interface: what a container's devices are called, and what those names mean.

A spec file says which nodes each name stands for. The runtime looks there whenever it makes a
container, so a container that restarts after the nodes were renumbered gets the right ones. A name
that no spec knows makes the runtime refuse, in words.

Source: the CDI specification, SPEC.md of cncf-tags/container-device-interface. Pure.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from rdma_dp.config import CdiMode, Resource
from rdma_dp.sharing.allocation import PERMISSIONS, Grant, grant, usable_devices
from rdma_dp.sharing.pool import Pool

Document = dict[str, Any]

VENDOR = "rdma-dp"

# The lowest version in which the name of a device can begin with a digit, as a PCI address does.
VERSION = "0.5.0"

_ANNOTATION = "cdi.k8s.io/"
_RDMA_CM = "rdma_cm"
_FILE_NAME = re.compile(rf"{VENDOR}-(?P<class_name>.+)\.json", re.ASCII)

# A name of a single character is valid, but crashes the library of 0.5.0's time, which is still in
# use. A dot in a class needs 0.6.0.
_CLASS_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*[A-Za-z0-9]", re.ASCII)
_DEVICE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]*[A-Za-z0-9]", re.ASCII)

# So that an annotation's key, vendor and class, has the 63 characters that Kubernetes allows.
_LONGEST_CLASS = 63 - len(f"{VENDOR}_")

_DIGITS = 10
_DIGESTED = re.compile(rf".*-[0-9a-f]{{{_DIGITS}}}", re.ASCII)

_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Delivery:
    """How one container gets what was granted to it: the three fields of kubelet's answer."""

    devices: tuple[str, ...] = ()
    cdi_devices: tuple[str, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=lambda: _NONE)


def delivered(what: Grant, mode: CdiMode) -> Delivery:
    """By device nodes, or by CDI names in the fields that `mode` wants: never by both."""
    if mode is CdiMode.OFF:
        return Delivery(devices=what.devices)
    return Delivery(
        cdi_devices=() if mode is CdiMode.ANNOTATIONS else names(what),
        annotations=_NONE if mode is CdiMode.CRI else annotations(what),
    )


# --- names --------------------------------------------------------------------------------------


def kind(resource: Resource) -> str:
    """Vendor and class of a resource's devices: "rdma-dp/rdma_rdma_shared_device_a"."""
    return f"{VENDOR}/{_class_name(resource)}"


def file_name(resource: Resource) -> str:
    """The name of the resource's spec file."""
    return f"{VENDOR}-{_class_name(resource)}.json"


def names(what: Grant) -> tuple[str, ...]:
    """The qualified names of a container's devices."""
    return tuple(f"{kind(what.resource)}={name}" for name in _nodes(what))


def annotations(what: Grant) -> Mapping[str, str]:
    """The names as an annotation, with a key per resource: a container may have several."""
    found = names(what)
    if not found:
        return _NONE
    key = f"{_ANNOTATION}{VENDOR}_{_class_name(what.resource)}"
    return MappingProxyType({key: ",".join(found)})


def _class_name(resource: Resource) -> str:
    # The part before the slash, a DNS name, has no "_": the first one stands where the slash was.
    plain = resource.full_name.replace("/", "_")
    short = len(plain) <= _LONGEST_CLASS
    if short and _CLASS_NAME.fullmatch(plain) and not _DIGESTED.fullmatch(plain):
        return plain
    allowed = re.sub(r"[^A-Za-z0-9_-]", "-", plain)
    begun = allowed if allowed[0].isalpha() else f"r-{allowed}"
    return _digested(begun[: _LONGEST_CLASS - _DIGITS - 1], resource.full_name)


def _device_name(key: str) -> str:
    """An HCA's stable key; a virtual HCA's can be any name that Linux takes for a file."""
    taken = key == _RDMA_CM or _DIGESTED.fullmatch(key)
    return key if _DEVICE_NAME.fullmatch(key) and not taken else _digested("hca", key)


def _digested(text: str, whole: str) -> str:
    """A name with a digest of what it stands for. What looks like one already gets one as well."""
    digest = hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{text}-{digest[:_DIGITS]}"


# --- specs --------------------------------------------------------------------------------------


def spec(pool: Pool) -> Document | None:
    """The spec of a resource: each name that a container can have been given, and its nodes.

    None when there is no HCA: then there must be no file either. A container that restarts fails
    for want of the device, and starts once the HCA is back; an old file would give it nodes that
    may be another HCA's by now. For the same reason nothing stands for an HCA that is gone.
    """
    everything = grant(pool)
    nodes = _nodes(everything)
    if not nodes:
        return None
    return {
        "cdiVersion": VERSION,
        "kind": kind(pool.resource),
        "devices": [_device(name, nodes[name]) for name in sorted(nodes)],
    }


def _nodes(what: Grant) -> Mapping[str, Sequence[str]]:
    """The paths of the nodes behind each name, for names with nodes: runtimes refuse the others.

    HCAs with a key in common have the name in common.
    """
    found: dict[str, set[str]] = {}
    for hca in what.hcas:
        for device in usable_devices(hca):
            found.setdefault(_device_name(hca.stable_key), set()).add(device.path)
    if what.rdma_cm is not None:
        found[_RDMA_CM] = {what.rdma_cm.path}
    return {name: sorted(paths) for name, paths in found.items()}


def _device(name: str, paths: Sequence[str]) -> Document:
    # Without major and minor, the runtime takes those that the node has when a container is made.
    nodes = [{"path": path, "permissions": PERMISSIONS} for path in paths]
    return {"name": name, "containerEdits": {"deviceNodes": nodes}}


def text(document: Document) -> str:
    """A spec as it stands in its file."""
    return json.dumps(document, indent=2) + "\n"


def is_our_name(name: str) -> bool:
    """Whether a file is called as ours are."""
    return _FILE_NAME.fullmatch(name) is not None


def is_ours(name: str, content: bytes) -> bool:
    """Whether a file is ours, by its name and by the kind that it holds."""
    named = _FILE_NAME.fullmatch(name)
    if named is None:
        return False
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and document.get("kind") == f"{VENDOR}/{named['class_name']}"
