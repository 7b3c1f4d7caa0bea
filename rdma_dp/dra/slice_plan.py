"""Which writes make the ResourceSlices of the server the wanted ones. Pure.

Consumers use only the slices of a pool with the highest generation, and only when as many of them
exist as each says. So one changed slice keeps its generation, and several get a new one together.
"""

from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass

from rdma_dp.dra.slices import Document, same_spec

_INDEX_DIGITS = 5  # at the beginning of a slice's name (resource_slices)


@dataclass(frozen=True, slots=True)
class SlicePlan:
    """Writes, in this order. `updates` and `deletes` have the metadata of the server's slices.

    An update or delete must fail if the slice has changed since: their resourceVersion says so.
    """

    updates: tuple[Document, ...] = ()
    creates: tuple[Document, ...] = ()
    deletes: tuple[Document, ...] = ()

    @property
    def writes(self) -> int:
        """How many requests it takes."""
        return len(self.updates) + len(self.creates) + len(self.deletes)


def plan(wanted: Sequence[Document], existing: Iterable[Document]) -> SlicePlan:
    """The writes from the `existing` slices to the `wanted` ones.

    `wanted` is in the order of resource_slices. `existing` are all slices of the driver and node.
    """
    matched, others = _matched(wanted, existing)
    generations = [_generation(each) for each in (*filter(None, matched), *others)]
    newest = max(generations, default=0)
    pairs = list(zip(wanted, matched, strict=True))
    stale = [
        there is None or _generation(there) != newest or not same_spec(ours, there)
        for ours, there in pairs
    ]
    # A leftover of the newest generation would count as part of the pool until it is deleted.
    in_place = sum(stale) <= 1 and not (
        any(stale) and any(_generation(each) == newest for each in others)
    )
    generation = max(newest, 1) if in_place else newest + 1
    todo = [
        (_with_generation(ours, generation), there)
        for (ours, there), is_stale in zip(pairs, stale, strict=True)
        if is_stale or not in_place
    ]
    return SlicePlan(
        updates=tuple(_over(ours, there) for ours, there in todo if there is not None),
        creates=tuple(ours for ours, there in todo if there is None),
        deletes=tuple(others),
    )


def _matched(
    wanted: Sequence[Document], existing: Iterable[Document]
) -> tuple[list[Document | None], list[Document]]:
    """For each wanted slice the one in its place, and the existing slices without a place.

    Of two slices in one place, the first by name stays, so that two instances of the driver choose
    the same one.
    """
    places: dict[int, Document] = {}
    others: list[Document] = []
    for there in sorted(existing, key=lambda each: (-_generation(each), _name(each))):
        index = _index(there)
        if 0 <= index < len(wanted) and index not in places and _can_become(wanted[index], there):
            places[index] = there
        else:
            others.append(there)
    return [places.get(index) for index in range(len(wanted))], others


def _can_become(wanted: Document, there: Document) -> bool:
    """Whether an update can make one of the other: these fields are immutable."""
    ours, theirs = wanted["spec"], there.get("spec") or {}
    same_pool = ours["pool"]["name"] == (theirs.get("pool") or {}).get("name")
    return same_pool and all(ours[key] == theirs.get(key) for key in ("driver", "nodeName"))


def _name(slice_: Document) -> str:
    return str((slice_.get("metadata") or {}).get("name") or "")


def _index(slice_: Document) -> int:
    try:
        return int(_name(slice_)[:_INDEX_DIGITS], 16)
    except ValueError:
        return -1  # not named by us


def _generation(slice_: Document) -> int:
    pool = (slice_.get("spec") or {}).get("pool") or {}
    return int(pool.get("generation") or 0)


def _with_generation(slice_: Document, generation: int) -> Document:
    changed = deepcopy(slice_)
    changed["spec"]["pool"]["generation"] = generation
    return changed


def _over(ours: Document, there: Document) -> Document:
    """Our slice with the identity of the server's, and the times of the taints that stay."""
    metadata = {key: each for key, each in there["metadata"].items() if key != "managedFields"}
    if owners := ours["metadata"].get("ownerReferences"):
        metadata["ownerReferences"] = owners
    since = {
        (device.get("name"), taint.get("key"), taint.get("effect")): taint.get("timeAdded")
        for device in (there.get("spec") or {}).get("devices") or ()
        for taint in device.get("taints") or ()
    }
    for device in ours["spec"]["devices"]:
        for taint in device.get("taints", ()):
            if added := since.get((device["name"], taint["key"], taint["effect"])):
                taint["timeAdded"] = added
    return {**ours, "metadata": metadata}
