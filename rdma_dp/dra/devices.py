"""The devices of a node's ResourceSlices: one for each slot group, or one for each slot. Pure.

Names and attributes are stored by the API server and in claims. They hold nothing that moves while
the hardware stays the same: each change would be a write, on every node.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import TypeVar

from rdma_dp.config import DraSettings, DraSlots, Preference, Via
from rdma_dp.dra.dra_names import device_name, slot_name
from rdma_dp.dra.pcie_roots import device_root
from rdma_dp.formats.slot_ids import HardwareKey
from rdma_dp.inventory.hardware import Hca, PciFunction
from rdma_dp.inventory.topology import Topology
from rdma_dp.inventory.verdicts import UnhealthyCode
from rdma_dp.sharing.allocation import Grant, granted
from rdma_dp.sharing.pool import Pool
from rdma_dp.sharing.slot_groups import SlotGroup

_T = TypeVar("_T")

Value = str | int | bool
Attributes = Mapping[str, Value]

# Names that drivers share (k8s.io/dynamic-resource-allocation/deviceattribute), so that a claim can
# require the same value of a GPU and an HCA.
PCIE_ROOT = "resource.kubernetes.io/pcieRoot"
PCI_BUS_ID = "resource.kubernetes.io/pciBusID"
NUMA_NODE = "resource.kubernetes.io/numaNode"

LONGEST_TEXT = 64  # bytes of an attribute (k8s.io/api resource/v1, DeviceAttributeMaxValueLength)
_UNKNOWN_NODE = -1  # as sysfs writes it

_NOTHING: Mapping[str, str] = MappingProxyType({})
_NONE: Mapping[str, Attributes] = MappingProxyType({})


class DeviceKind(StrEnum):
    """What a device stands for: one HCA, or all HCAs of a resource."""

    HCA = "hca"
    RESOURCE = "resource"


@dataclass(frozen=True, slots=True)
class DraDevice:
    """A device that claims are allocated from.

    `resource` is the full name ("rdma/hca"). `hcas` are the names of its HCAs, and `grant` is what
    a container with the device gets. `slots` is how many claims may share it; None for a device
    that one claim holds alone. `down` is whether none of its HCAs has an ACTIVE port, for longer
    than downSeconds. `message` is why it is not healthy, or soon will not be; "" without a reason.
    """

    name: str
    resource: str
    kind: DeviceKind
    hcas: tuple[str, ...]
    attributes: Attributes
    slots: int | None
    down: bool
    healthy: bool
    message: str
    grant: Grant


def dra_devices(
    pools: Iterable[Pool],
    topology: Topology,
    settings: DraSettings,
    firmware: Mapping[str, str] = _NOTHING,
    known: Mapping[str, Attributes] = _NONE,
) -> tuple[DraDevice, ...]:
    """The devices of the pools that are offered by DRA, in the order of their preference.

    The scheduler takes the first one that fits. `firmware` has the firmware versions by HCA.
    `known` are the attributes that the devices had before, by name: of the last call, or of the
    slices on the API server. They keep the rate of a link that is down, and the netdev that is in a
    pod. A device whose HCAs are gone is left out.
    """
    found: list[DraDevice] = []
    for pool in pools:
        if pool.resource.via is Via.DRA:
            read = _Reader(pool, topology, settings, firmware)
            devices = [read.device(group) for group in pool.in_use]
            found += map(_steady(known), _slots(pool, devices, settings.slots))
    return tuple(found)


def _slots(pool: Pool, devices: list[DraDevice], slots: DraSlots) -> Iterator[DraDevice]:
    """The devices themselves, or one for each slot.

    The order decides which slots a pod gets that requests several: those of different HCAs, or
    with `preference: pack` those of one HCA.
    """
    if slots is DraSlots.SHARED:
        yield from devices
        return
    numbers = range(pool.resource.rdma_hca_max)
    if pool.resource.preference is Preference.PACK:
        pairs = ((device, number) for device in devices for number in numbers)
    else:
        pairs = ((device, number) for number in numbers for device in devices)
    for device, number in pairs:
        yield replace(device, name=slot_name(device.name, number), slots=None)


def _steady(known: Mapping[str, Attributes]) -> Callable[[DraDevice], DraDevice]:
    """Adds to a device what was known of it before and cannot be read at the moment."""

    def kept(device: DraDevice) -> DraDevice:
        before, now = known.get(device.name), device.attributes
        if before is None or any(before.get(key) != now[key] for key in ("vendor", "deviceID")):
            return device  # new, or other hardware in its place
        rate, last = now["rateGbps"], before.get("rateGbps")
        if isinstance(last, int) and isinstance(rate, int):
            rate = max(rate, last)
        texts = {key: now[key] or before.get(key, "") for key in ("firmware", "netdev")}
        return replace(device, attributes=MappingProxyType({**now, **texts, "rateGbps": rate}))

    return kept


@dataclass(frozen=True, slots=True)
class _Reader:
    pool: Pool
    topology: Topology
    settings: DraSettings
    firmware: Mapping[str, str]

    def device(self, group: SlotGroup) -> DraDevice:
        resource, reason = self.pool.resource, group.health.reason
        withheld = self.pool.withheld_because
        healthy = group.health.healthy and withheld is None
        no_link = reason is not None and reason.code is UnhealthyCode.NO_ACTIVE_PORT
        return DraDevice(
            name=device_name(resource, group.key),
            resource=resource.full_name,
            kind=DeviceKind.HCA if resource.per_hca else DeviceKind.RESOURCE,
            hcas=tuple(hca.name for hca in group.hcas),
            attributes=MappingProxyType(self.attributes(group.key, group.hcas)),
            slots=resource.rdma_hca_max,
            down=no_link and not group.health.healthy,
            healthy=healthy,
            message=str(withheld or reason or ""),
            grant=granted(self.pool, (group,)),
        )

    def attributes(self, key: HardwareKey, hcas: tuple[Hca, ...]) -> dict[str, Value]:
        """Attributes of one driver have the same names on all its devices.

        An expression that reads a missing attribute is an error, and no pod is scheduled. An
        attribute whose value is not the same for all HCAs of the device is empty.
        """
        functions = [hca.function or PciFunction("") for hca in hcas]
        own: dict[str, Value] = {
            "resourceName": self.pool.resource.resource_name,
            "kind": str(DeviceKind.RESOURCE if key is None else DeviceKind.HCA),
            "rdmaDevice": _text(_common(hca.name for hca in hcas)),
            "linkType": _text(_common(",".join(sorted(hca.link_types)) for hca in hcas)),
            "functionType": _text(_common(str(hca.function_type) for hca in hcas)),
            "vendor": _text(_common(function.vendor for function in functions)),
            "deviceID": _text(_common(function.device for function in functions)),
            "firmware": _text(_common(self.firmware.get(hca.name) for hca in hcas)),
            "rateGbps": _common(map(_rate, hcas)) or 0,
            "netdev": _text(_common(_netdev(hca) for hca in hcas)),
        }
        node = _common(hca.numa_node for hca in hcas)
        own["numaNode"] = _UNKNOWN_NODE if node is None else node
        # A missing value of these names never matches, and an empty one would match another.
        standard: dict[str, Value | None] = {
            PCIE_ROOT: device_root(hcas, self.topology, self.settings.pcie_roots),
            PCI_BUS_ID: _common(function.address for function in functions),
            NUMA_NODE: node,
        }
        return own | {name: value for name, value in standard.items() if value not in (None, "")}


def _common(values: Iterable[_T | None]) -> _T | None:
    """The value that all HCAs have; None if they differ."""
    found = set(values)
    return found.pop() if len(found) == 1 else None


def _rate(hca: Hca) -> int:
    """The highest rate of its ACTIVE ports, in Gb/s. A port that is down shows a lower one."""
    return int(max((port.rate or 0 for port in hca.ports if port.state == "ACTIVE"), default=0))


def _netdev(hca: Hca) -> str | None:
    return next((name for port in hca.ports for name in port.netdevs), None) or next(
        (netdev.name for netdev in hca.netdevs), None
    )


def _text(value: str | None) -> str:
    """The value within the limit, which counts bytes."""
    content = (value or "").encode("utf-8", "backslashreplace")
    return content[:LONGEST_TEXT].decode("utf-8", "ignore")
