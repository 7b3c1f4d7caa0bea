"""A prepared claim after the hardware has changed: the same HCAs, under the names of today. Pure.

A claim keeps its HCAs for as long as its pods run. The names of HCAs and the numbers of their
device nodes can change at a boot, or when an HCA is plugged in again. Then the nodes of before may
belong to another HCA, and no container may start with them.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from rdma_dp.errors import RdmaDpError
from rdma_dp.inventory.hardware import Inventory
from rdma_dp.kubelet.dra.claim_record import ClaimError, ClaimRecord, ClaimRef, Prepared

# What a claim object gives at this moment. Raises RdmaDpError.
Resolve = Callable[[Mapping[str, Any]], tuple[Prepared, ...]]


def pseudo_claim(ref: ClaimRef, allocation: Mapping[str, Any]) -> Mapping[str, Any]:
    """A claim object as the API server has it, as far as it matters here."""
    metadata = {"namespace": ref.namespace, "name": ref.name, "uid": ref.uid}
    return {"metadata": metadata, "status": {"allocation": allocation}}


def renewed(record: ClaimRecord, resolve: Resolve, inventory: Inventory) -> ClaimRecord:
    """The record with the nodes and names of now. The CDI names stay: kubelet knows them.

    A device that is not offered any more stays as it was, as long as its HCAs have their nodes.
    Raises ClaimError when they have not: the HCA is gone.
    """
    try:
        now = resolve(pseudo_claim(record.ref, record.allocation))
    except RdmaDpError:
        now = ()
    if [_result(each) for each in now] != [_result(each) for each in record.devices]:
        _check_nodes(record, inventory)
        return record
    if [(each.hcas, each.nodes) for each in now] == [(e.hcas, e.nodes) for e in record.devices]:
        return record  # also the environment of before, if the config has changed since
    devices = (
        replace(new, cdi=replace(new.cdi, name=old.cdi.name))
        for new, old in zip(now, record.devices, strict=True)
    )
    return replace(record, devices=tuple(devices))


def _result(device: Prepared) -> tuple[str, str, str, str | None]:
    return device.request, device.pool, device.device, device.share_id


def _check_nodes(record: ClaimRecord, inventory: Inventory) -> None:
    there: dict[str, set[str]] = {}
    for hca in inventory.hcas:
        there.setdefault(hca.stable_key, set()).update(d.path for d in hca.char_devices)
    lost = [
        key
        for device in record.devices
        for key, paths in device.nodes.items()
        if not there.get(key, set()).issuperset(paths)
    ]
    if lost:
        raise ClaimError(
            f"the HCA {_listed(lost)} of the claim {record.ref} is gone, or its device nodes have"
            " other names now",
            "delete the pod to get another HCA, or bring the HCA back",
        )


def _listed(keys: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(keys))
