"""The Container Device Interface (CDI): device names for containers, and specs that define them.

A spec file lists the device nodes of each name. The runtime reads it each time it creates a
container. So a container that restarts after the nodes were renumbered still gets the right nodes.
If no spec defines a name, the runtime reports an error and does not create the container.

Source: the CDI specification, SPEC.md of cncf-tags/container-device-interface. Pure.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from rdma_dp.config import CdiMode
from rdma_dp.formats.names import digest
from rdma_dp.sharing.allocation import PERMISSIONS, Grant, grant
from rdma_dp.sharing.pool import Pool

Document = dict[str, Any]

VENDOR = "rdma-dp"

# The lowest version that allows a device name to begin with a digit, as PCI addresses do.
VERSION = "0.5.0"

_ANNOTATION = "cdi.k8s.io/"
_RDMA_CM = "rdma_cm"
_FILE_NAME = re.compile(rf"{VENDOR}-(?P<class_name>.+)\.json", re.ASCII)

# The specification allows names of one character, but they crash the CDI library of version 0.5.0,
# which is still in use. A dot in a class needs version 0.6.0.
_CLASS_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*[A-Za-z0-9]", re.ASCII)
_DEVICE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]*[A-Za-z0-9]", re.ASCII)

# The name part of an annotation's key is VENDOR_CLASS. Kubernetes allows 63 characters for it.
_LONGEST_CLASS = 63 - len(f"{VENDOR}_")

_DIGITS = 10
_DIGESTED = re.compile(rf".*-[0-9a-f]{{{_DIGITS}}}", re.ASCII)

_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Delivery:
    """How one container gets its grant: three fields of the response to kubelet's Allocate."""

    devices: tuple[str, ...] = ()
    cdi_devices: tuple[str, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=lambda: _NONE)


def delivered(grant: Grant, mode: CdiMode) -> Delivery:
    """The grant as device nodes, or as CDI names in the fields that `mode` asks for; never both."""
    if mode is CdiMode.OFF:
        return Delivery(devices=grant.devices)
    return Delivery(
        cdi_devices=() if mode is CdiMode.ANNOTATIONS else names(grant),
        annotations=_NONE if mode is CdiMode.CRI else annotations(grant),
    )


# --- names --------------------------------------------------------------------------------------


def kind(full_name: str) -> str:
    """Vendor and class of a resource's devices: "rdma-dp/rdma_hca" for "rdma/hca"."""
    return f"{VENDOR}/{_class_name(full_name)}"


def file_name(full_name: str) -> str:
    """The name of a resource's spec file: "rdma-dp-rdma_hca.json" for "rdma/hca"."""
    return f"{VENDOR}-{_class_name(full_name)}.json"


def names(grant: Grant) -> tuple[str, ...]:
    """The qualified names of a container's devices: "rdma-dp/rdma_hca=0000:18:00.0"."""
    return tuple(f"{kind(grant.full_name)}={name}" for name in _nodes(grant))


def annotations(grant: Grant) -> Mapping[str, str]:
    """The names as an annotation. Its key is the resource's own: a container may have several."""
    found = names(grant)
    if not found:
        return _NONE
    key = f"{_ANNOTATION}{VENDOR}_{_class_name(grant.full_name)}"
    return MappingProxyType({key: ",".join(found)})


def _class_name(full_name: str) -> str:
    # The prefix is a DNS name and has no "_". So the first "_" marks the place of the slash, and
    # two resources never get the same class.
    plain = full_name.replace("/", "_")
    short = len(plain) <= _LONGEST_CLASS
    if short and _CLASS_NAME.fullmatch(plain) and not _DIGESTED.fullmatch(plain):
        return plain
    allowed = re.sub(r"[^A-Za-z0-9_-]", "-", plain)
    begun = allowed if allowed[0].isalpha() else f"r-{allowed}"
    return _digested(begun[: _LONGEST_CLASS - _DIGITS - 1], full_name)


def _device_name(key: str) -> str:
    """The HCA's hardware key. A virtual HCA's key can be any file name, so it may need a digest."""
    reserved = key == _RDMA_CM or _DIGESTED.fullmatch(key)
    return key if _DEVICE_NAME.fullmatch(key) and not reserved else _digested("hca", key)


def _digested(text: str, whole: str) -> str:
    """The text with a digest of the whole name.

    A name that already ends like a digest gets one too, so it cannot equal another's.
    """
    return f"{text}-{digest(whole, _DIGITS)}"


# --- specs --------------------------------------------------------------------------------------


def spec(pool: Pool) -> Document | None:
    """The spec of a resource: every name that a container can have, and its device nodes.

    None if the resource has no HCA; then there must be no spec file. An HCA that is gone is not in
    the spec. A container that restarts without it fails, and starts when the HCA is back. A stale
    spec would give it nodes that may now belong to another HCA.
    """
    everything = grant(pool)
    nodes = _nodes(everything)
    if not nodes:
        return None
    devices = (device(name, nodes[name]) for name in sorted(nodes))
    return document(kind(pool.resource.full_name), devices)


def _nodes(grant: Grant) -> Mapping[str, Sequence[str]]:
    """The paths of the device nodes by device name.

    A name without nodes is left out, because runtimes reject it. HCAs with the same hardware key
    share a name.
    """
    found: dict[str, set[str]] = {}
    for hca in grant.hcas:
        for each in grant.devices_of(hca):
            found.setdefault(_device_name(hca.stable_key), set()).add(each.path)
    if grant.rdma_cm is not None:
        found[_RDMA_CM] = {grant.rdma_cm.path}
    return {name: sorted(paths) for name, paths in found.items()}


def document(kind: str, devices: Iterable[Document]) -> Document:
    """A spec with these devices of one kind."""
    return {"cdiVersion": VERSION, "kind": kind, "devices": [*devices]}


def device(
    name: str,
    paths: Iterable[str],
    permissions: str = PERMISSIONS,
    env: Mapping[str, str] = _NONE,
) -> Document:
    """One device of a spec: its name, its nodes and its environment variables."""
    # Without major and minor, the runtime reads them from the node when it creates a container.
    nodes = [{"path": path, "permissions": permissions} for path in paths]
    variables = [f"{variable}={value}" for variable, value in sorted(env.items())]
    edits: Document = {"deviceNodes": nodes} if nodes else {}
    return {"name": name, "containerEdits": edits | ({"env": variables} if variables else {})}


def text(spec: Document) -> str:
    """The spec as JSON text, as its file holds it."""
    return json.dumps(spec, indent=2) + "\n"


def is_our_name(name: str) -> bool:
    """Whether a file's name is one that rdma-dp gives to its specs."""
    return _FILE_NAME.fullmatch(name) is not None


def is_ours(name: str, content: bytes) -> bool:
    """Whether rdma-dp wrote this file: its name and the kind inside agree."""
    named = _FILE_NAME.fullmatch(name)
    return named is not None and is_of_kind(content, f"{VENDOR}/{named['class_name']}")


def is_of_kind(content: bytes, kind: str, *, damaged: bool = False) -> bool:
    """Whether a file is a spec of this kind. `damaged` is the answer for one that is no JSON."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return damaged
    return isinstance(found, dict) and found.get("kind") == kind
