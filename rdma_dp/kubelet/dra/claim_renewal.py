"""A prepared claim after the hardware has changed: the same HCAs, under the names of today. Pure.

A claim keeps its HCAs for as long as its pods run. The names of HCAs and the numbers of their
device nodes can change at a boot, or when an HCA is plugged in again. Then the nodes of before may
belong to another HCA, and no container may start with them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from rdma_dp.dra.claims import ClaimError
from rdma_dp.inventory.hardware import Inventory
from rdma_dp.kubelet.dra.claim_record import ClaimRecord, HeldDevice


def renewed(record: ClaimRecord, now: Sequence[HeldDevice], inventory: Inventory) -> ClaimRecord:
    """The record with the nodes and names of now. The CDI names stay: kubelet knows them.

    `now` is what the claim would get today, and empty if that cannot be said. A device that is not
    offered any more stays as it was, as long as its HCAs have their nodes. Raises ClaimError when
    they have not.
    """
    if results(now) != results(record.devices) or not _keeps_hcas(record, now, inventory):
        _check_nodes(record, inventory)
        return record
    if [(each.hcas, each.nodes) for each in now] == [(e.hcas, e.nodes) for e in record.devices]:
        return record  # also the environment of before, if the config has changed since
    devices = (
        replace(new, cdi=replace(new.cdi, name=old.cdi.name))
        for new, old in zip(now, record.devices, strict=True)
    )
    return replace(record, devices=tuple(devices))


def results(devices: Iterable[HeldDevice]) -> list[tuple[str, str, str, str | None]]:
    """What the scheduler has given: request, pool, device and share of each."""
    return [(each.request, each.pool, each.device, each.share_id) for each in devices]


def _check_nodes(record: ClaimRecord, inventory: Inventory) -> None:
    there: dict[str, set[str]] = {}
    for hca in inventory.hcas:
        there.setdefault(hca.stable_key, set()).update(d.path for d in hca.char_devices)
    lost = {
        key: device.hcas
        for device in record.devices
        for key, paths in device.nodes.items()
        if not there.get(key, set()).issuperset(paths)
    }
    if lost:
        hcas = dict.fromkeys(name for names in lost.values() for name in names)
        raise ClaimError(
            f"claim {record.ref}: the HCA {', '.join(hcas)} ({', '.join(lost)}) is gone, or its"
            " device nodes have other names now",
            "delete the pod to get another HCA, or bring the HCA back",
        )


def _keeps_hcas(record: ClaimRecord, now: Sequence[HeldDevice], inventory: Inventory) -> bool:
    """Whether each device still has those of its HCAs that the node has.

    A config with other selectors can give other HCAs to a device of the same name.
    """
    there = {hca.stable_key for hca in inventory.hcas}
    pairs = zip(record.devices, now, strict=True)
    return all(there.intersection(old.nodes) <= new.nodes.keys() for old, new in pairs)
