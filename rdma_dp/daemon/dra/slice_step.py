"""What the slices should be now, and the writes towards it. Pure.

It takes longer with more devices, so the publisher runs it in a thread.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from rdma_dp.api_server.slice_watch import Slices
from rdma_dp.daemon.dra.device_reader import Offer
from rdma_dp.dra.slice_plan import SlicePlan, plan
from rdma_dp.dra.slices import Document, Gate, NodeIdentity, resource_slices


@dataclass(frozen=True, slots=True)
class Step:
    """What is wanted, and the writes towards it.

    `waits`: some devices wait until kubelet no longer asks the device plugin for their resource.
    """

    wanted: tuple[Document, ...]
    writes: SlicePlan
    taints: bool = False
    only_taints: bool = False
    waits: bool = False


def next_step(
    offer: Offer,
    held: Slices,
    served: frozenset[str],
    node: NodeIdentity,
    lacking: frozenset[Gate],
) -> Step:
    """Compares what is offered with what the server has.

    `served` are the resources that kubelet may still ask the device plugin for: their devices wait.
    """
    if offer.settings is None:
        return Step((), plan((), held.values()))
    devices = tuple(device for device in offer.devices if device.resource not in served)
    wanted = resource_slices(devices, node, offer.settings, lacking)
    taints = _taints(wanted) != _taints(held.values())
    others = plan(_without_taints(wanted), _without_taints(held.values())) if taints else None
    return Step(
        wanted,
        plan(wanted, held.values()),
        taints=taints,
        only_taints=others is not None and not others.writes,
        waits=len(devices) < len(offer.devices),
    )


def _taints(slices: Iterable[Document]) -> frozenset[tuple[str, str, str]]:
    """(device, key, effect) of all taints."""
    return frozenset(
        (device["name"], taint.get("key", ""), taint.get("effect", ""))
        for each in slices
        for device in each["spec"].get("devices") or ()
        for taint in device.get("taints") or ()
    )


def _without_taints(slices: Iterable[Document]) -> tuple[Document, ...]:
    return tuple({**each, "spec": {**each["spec"], "devices": _plain(each)}} for each in slices)


def _plain(slice_: Document) -> list[Document]:
    devices = slice_["spec"].get("devices") or ()
    return [{key: each for key, each in one.items() if key != "taints"} for one in devices]


def specs(slices: Slices) -> list[object]:
    """What two sets of slices are compared by."""
    return [slices[name].get("spec") for name in sorted(slices)]
