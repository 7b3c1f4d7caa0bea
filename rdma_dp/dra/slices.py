"""ResourceSlices of a node (resource.k8s.io/v1): what they hold, and what the server kept. Pure.

An API server whose feature gate is off drops the fields of that gate and reports success
(kubernetes pkg/registry/resource/resourceslice/strategy.go, dropDisabledFields). A shared HCA would
be an exclusive one then. So each answer is compared with what was sent.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from rdma_dp.config import DraSettings, LinkDown
from rdma_dp.dra.devices import Attributes, DraDevice, Value
from rdma_dp.text import counted

Document = dict[str, Any]

API_VERSION = "resource.k8s.io/v1"
KIND = "ResourceSlice"

# Claims compare this name literally, without the driver's domain. It must never change.
CAPACITY = "slots"

# The most devices of a slice, and of one with a taint (k8s.io/api resource/v1,
# ResourceSliceMaxDevices and ResourceSliceMaxDevicesWithAdvancedFeatures).
MOST_DEVICES, MOST_DEVICES_WITH_TAINTS = 128, 64

_ATTRIBUTE_TYPES: Mapping[type, str] = {bool: "bool", int: "int", str: "string"}
_SUFFIXES = ("", "k", "M", "G")


class Gate(StrEnum):
    """The feature gates of the API server whose fields the slices and device classes use."""

    CONSUMABLE_CAPACITY = "DRAConsumableCapacity"
    DEVICE_TAINTS = "DRADeviceTaints"
    EXTENDED_RESOURCE = "DRAExtendedResource"


_GATE_OF_FIELD = {
    "allowMultipleAllocations": Gate.CONSUMABLE_CAPACITY,
    "requestPolicy": Gate.CONSUMABLE_CAPACITY,
    "taints": Gate.DEVICE_TAINTS,
    "extendedResourceName": Gate.EXTENDED_RESOURCE,
}

_EFFECTS = {
    Gate.CONSUMABLE_CAPACITY: "an HCA cannot be shared by several claims",
    Gate.DEVICE_TAINTS: "an HCA whose link is down cannot be kept from new pods",
    Gate.EXTENDED_RESOURCE: "pods cannot get a device by their limits",
}


@dataclass(frozen=True, slots=True)
class NodeIdentity:
    """A node of the cluster. `uid` is that of its object; "" where it is not known."""

    name: str
    uid: str = ""


@dataclass(frozen=True, slots=True)
class Dropped:
    """Fields that the server did not keep. `gate` is None when no known gate explains it.

    `devices` are the names of the devices that had the fields; () for a device class.
    """

    gate: Gate | None
    fields: tuple[str, ...]
    devices: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """What is missing, for the log and the doctor."""
        of = f" of {counted(len(self.devices), 'device')}" if self.devices else ""
        what = f"the API server dropped {', '.join(self.fields)}{of}"
        if self.gate is None:
            return f"{what}: no known feature gate explains it"
        return f"{what}: its feature gate {self.gate} is off, so {_EFFECTS[self.gate]}"


# --- what is wanted -----------------------------------------------------------------------------


def resource_slices(
    devices: Sequence[DraDevice],
    node: NodeIdentity,
    settings: DraSettings,
    lacking: AbstractSet[Gate] = frozenset(),
) -> tuple[Document, ...]:
    """The slices of a node, at least one, with generation 1.

    `lacking` are the gates that the API server does not have. A device that needs one to be right
    is left out: a shared device without DRAConsumableCapacity, and without DRADeviceTaints a device
    that would have a taint.
    """
    offered = [
        _device(device, settings)
        for device in devices
        if not (device.slots is not None and Gate.CONSUMABLE_CAPACITY in lacking)
        and not (_tainted(device, settings) and Gate.DEVICE_TAINTS in lacking)
    ]
    # The limit does not depend on whether a device has a taint now: a link that goes down must not
    # move devices from one slice to another.
    most = MOST_DEVICES if settings.link_down is LinkDown.NONE else MOST_DEVICES_WITH_TAINTS
    parts = [offered[first : first + most] for first in range(0, len(offered), most)] or [[]]
    return tuple(
        _slice(part, index, len(parts), node, settings) for index, part in enumerate(parts)
    )


def _slice(
    devices: list[Document], index: int, count: int, node: NodeIdentity, settings: DraSettings
) -> Document:
    driver = settings.driver_name
    # The scheduler goes through slices by name and takes the first device that fits.
    metadata: Document = {"generateName": f"{index:05x}-{driver}-{node.name}-"}
    if node.uid:
        owner = {"apiVersion": "v1", "kind": "Node", "name": node.name, "uid": node.uid}
        metadata["ownerReferences"] = [{**owner, "controller": True}]
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": metadata,
        "spec": {
            "driver": driver,
            "nodeName": node.name,
            "pool": {"name": node.name, "generation": 1, "resourceSliceCount": count},
            "devices": devices,
        },
    }


def _device(device: DraDevice, settings: DraSettings) -> Document:
    written: Document = {
        "name": device.name,
        "attributes": {name: _attribute(value) for name, value in device.attributes.items()},
    }
    if device.slots is not None:
        written["allowMultipleAllocations"] = True
        written["capacity"] = {CAPACITY: _capacity(device.slots)}
    if _tainted(device, settings):
        taint = {"key": f"{settings.driver_name}/link", "value": "down"}
        written["taints"] = [{**taint, "effect": str(settings.link_down)}]
    return written


def _tainted(device: DraDevice, settings: DraSettings) -> bool:
    return device.down and settings.link_down is not LinkDown.NONE


def _attribute(value: Value) -> Document:
    return {_ATTRIBUTE_TYPES[type(value)]: value}


def _capacity(slots: int) -> Document:
    """The slots, of which a claim takes one unless it requests more."""
    most = _quantity(slots)
    valid = {"min": "1", "max": most}
    if slots > 1:  # the server refuses a step beyond the value (validateRequestPolicyRange)
        valid["step"] = "1"
    return {"value": most, "requestPolicy": {"default": "1", "validRange": valid}}


def _quantity(number: int) -> str:
    """The number as the server writes it: 1000 is "1k" (apimachinery resource.Quantity)."""
    power = 0
    while number and number % 1000 == 0 and power < len(_SUFFIXES) - 1:
        number, power = number // 1000, power + 1
    return f"{number}{_SUFFIXES[power]}"


# --- what the server has ------------------------------------------------------------------------


def same_spec(ours: Document, servers: Document) -> bool:
    """Whether a slice on the server is what is wanted, as far as we decide it.

    The generation of the pool does not count (slice_plan.py decides it), nor what the server adds:
    when a taint was added, and other fields of the metadata.
    """
    owners = _owners(ours)
    return _decided(ours) == _decided(servers) and (not owners or owners == _owners(servers))


def _owners(slice_: Document) -> list[str]:
    owners = (slice_.get("metadata") or {}).get("ownerReferences") or []
    return sorted(str(owner.get("uid")) for owner in owners)


def _decided(slice_: Document) -> object:
    spec = slice_.get("spec") or {}
    pool = {key: each for key, each in (spec.get("pool") or {}).items() if key != "generation"}
    return _plain({**spec, "pool": pool})


def _plain(value: Any) -> Any:
    """Without the fields that the server adds or leaves out."""
    if isinstance(value, dict):
        found = {key: _plain(each) for key, each in value.items() if key != "timeAdded"}
        return {
            key: each for key, each in found.items() if each is not None and each not in ([], {})
        }
    return [_plain(each) for each in value] if isinstance(value, list) else value


def dropped_fields(sent: Document, kept: Document) -> tuple[Dropped, ...]:
    """What the server did not keep of a slice or a device class, by feature gate."""
    found: dict[Gate | None, tuple[dict[str, None], dict[str, None]]] = {}
    for where, path in _missing(_plain(sent.get("spec")), _plain(kept.get("spec")), ""):
        keys = path.split(".")
        gates = (_GATE_OF_FIELD[key] for key in keys if key in _GATE_OF_FIELD)
        fields, devices = found.setdefault(next(gates, None), ({}, {}))
        fields[path.strip(".")] = None
        devices[where] = None
    return tuple(
        Dropped(gate, tuple(fields), tuple(filter(None, devices)))
        for gate, (fields, devices) in found.items()
    )


def _missing(sent: Any, kept: Any, where: str, path: str = "") -> Iterator[tuple[str, str]]:
    """(device, path) of each field that was sent and is not there."""
    if isinstance(sent, dict):
        there = kept if isinstance(kept, dict) else {}
        for key, value in sent.items():
            if key in there:
                yield from _missing(value, there[key], where, f"{path}.{key}")
            else:
                yield where, f"{path}.{key}"
    elif isinstance(sent, list) and all(isinstance(each, dict) and "name" in each for each in sent):
        there = {each.get("name"): each for each in kept} if isinstance(kept, list) else {}
        for each in sent:
            if each["name"] in there:
                yield from _missing(each, there[each["name"]], each["name"])
            else:
                yield each["name"], path


def known_attributes(slices: Iterable[Document]) -> Mapping[str, Attributes]:
    """The attributes of the devices in slices of the server, by the name of the device."""
    return {
        str(device.get("name")): {
            name: next(iter(value.values()))
            for name, value in (device.get("attributes") or {}).items()
            if value
        }
        for each in slices
        for device in (each.get("spec") or {}).get("devices") or ()
    }
