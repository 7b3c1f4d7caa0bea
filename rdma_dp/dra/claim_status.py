"""The part of a claim's status that a driver may write: facts about the devices it gave. Pure."""

import json
from collections.abc import Iterable
from typing import Any

from rdma_dp.dra.claims import ClaimDevice, PreparedClaim
from rdma_dp.dra.devices import DraDevice
from rdma_dp.inventory.hardware import Hca

Document = dict[str, Any]

# Bytes of `data`, and characters of an interface's name (k8s.io/api resource/v1,
# AllocatedDeviceStatusDataMaxLength and NetworkDeviceDataInterfaceNameMaxLength).
MOST_DATA = 10 * 1024
_LONGEST_INTERFACE = 256
_LONGEST_MESSAGE = 1024  # characters; the server allows 32768


def claim_status(
    claim: PreparedClaim, devices: Iterable[DraDevice], driver: str, moment: str
) -> Document:
    """The `status` of a claim for server-side apply, with an entry for each of our devices.

    `moment` is when the claim was prepared, as RFC 3339 writes it.
    """
    known = {device.name: device for device in devices}
    return {
        "devices": [
            _entry(given, known.get(given.device), driver, moment) for given in claim.devices
        ]
    }


def _entry(given: ClaimDevice, device: DraDevice | None, driver: str, moment: str) -> Document:
    healthy = device is not None and device.healthy
    message = "the device is gone" if device is None else device.message
    ready = {
        "type": "Ready",
        "status": "True" if healthy else "False",
        "reason": "Healthy" if healthy else "Unhealthy",
        "message": message[:_LONGEST_MESSAGE],
        "lastTransitionTime": moment,
    }
    written: Document = {
        "driver": driver,
        "pool": given.pool,
        "device": given.device,
        "conditions": [ready],
        "data": _data(given.grant.hcas),
    }
    if given.share_id is not None:
        written["shareID"] = given.share_id
    netdevs = [netdev.name for hca in given.grant.hcas for netdev in hca.netdevs]
    if len(netdevs) == 1 and len(netdevs[0]) <= _LONGEST_INTERFACE:
        written["networkData"] = {"interfaceName": netdevs[0]}
    return written


def _data(hcas: tuple[Hca, ...]) -> Document:
    """The HCAs with their facts, as many as fit."""
    listed = [_hca(hca) for hca in hcas]
    while len(json.dumps({"hcas": listed, "more": len(listed)})) > MOST_DATA:
        listed.pop()
    left = len(hcas) - len(listed)
    return {"hcas": listed, **({"more": left} if left else {})}


def _hca(hca: Hca) -> Document:
    function = hca.function
    return {
        "name": hca.name,
        "pciAddress": function.address if function else None,
        "numaNode": hca.numa_node,
        "functionType": str(hca.function_type),
        "linkTypes": list(hca.link_types),
        "netdevs": [netdev.name for netdev in hca.netdevs],
        "ports": [port.number for port in hca.ports],
        "devices": [device.path for device in hca.char_devices],
    }
