"""The health of devices for the status of pods: those that are offered, and those in use. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from rdma_dp.dra.devices import DraDevice
from rdma_dp.inventory.hardware import Inventory
from rdma_dp.kubelet.dra.claim_record import ClaimRecord, HeldDevice


class DeviceState(Enum):
    """The health of a device, in kubelet's words."""

    UNKNOWN = auto()
    HEALTHY = auto()
    UNHEALTHY = auto()


@dataclass(frozen=True, slots=True)
class DeviceHealth:
    """The health of one device of a pool. `message` names its HCAs and says what is wrong."""

    pool: str
    device: str
    state: DeviceState
    message: str


def device_health(
    pool: str,
    devices: Iterable[DraDevice],
    claims: Mapping[str, ClaimRecord],
    inventory: Inventory,
) -> tuple[DeviceHealth, ...]:
    """The health of all devices, in the order of their names.

    A device that is not offered any more is listed for as long as a claim holds it.
    """
    keys = {hca.stable_key for hca in inventory.hcas}
    held = {each.device: each for record in claims.values() for each in record.devices}
    found = {name: _of_held(pool, each, keys) for name, each in held.items() if each.pool == pool}
    found |= {device.name: _of_offered(pool, device) for device in devices}
    return tuple(found[name] for name in sorted(found))


def _of_offered(pool: str, device: DraDevice) -> DeviceHealth:
    state = DeviceState.HEALTHY if device.healthy else DeviceState.UNHEALTHY
    return DeviceHealth(pool, device.name, state, _text(device.hcas, device.message))


def _of_held(pool: str, device: HeldDevice, keys: set[str]) -> DeviceHealth:
    if gone := [key for key in device.nodes if key not in keys]:
        text = f"the HCA at {', '.join(gone)} is gone"
        return DeviceHealth(pool, device.device, DeviceState.UNHEALTHY, _text(device.hcas, text))
    text = "rdma-dp does not offer it any more"
    return DeviceHealth(pool, device.device, DeviceState.UNKNOWN, _text(device.hcas, text))


def _text(hcas: Iterable[str], reason: str) -> str:
    names = ", ".join(hcas)
    return f"{names}: {reason}" if reason else names
