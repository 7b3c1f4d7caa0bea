"""Which container holds which slots, and so which HCAs: kubelet's list and the pools. Pure.

kubelet lists the slots of each pod that it has admitted, so the list is right after restarts of
kubelet or of rdma-dp. Nothing here counts calls. From Kubernetes 1.34 on, pods that have ended are
not in the list; an older kubelet lists them until they are deleted.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from rdma_dp.formats.slot_ids import parsed_id
from rdma_dp.inventory.hardware import natural_key
from rdma_dp.kubelet.views import Holder
from rdma_dp.sharing.pool import Pool


@dataclass(frozen=True, slots=True)
class Holding:
    """The slots of one resource that a container holds.

    `slots` are ids. `hcas` are the names of the HCAs that the slots give, in natural order.
    `unknown` are the ids whose HCA is not on the node any more. `slots_by_hca` has the number of
    slots that give each HCA: with slots per resource, each slot gives all of them.
    """

    namespace: str
    pod: str
    container: str
    resource: str
    slots: tuple[str, ...]
    hcas: tuple[str, ...]
    unknown: tuple[str, ...] = ()
    slots_by_hca: Mapping[str, int] = field(default_factory=dict)


def holdings(holders: Iterable[Holder], pools: Mapping[str, Pool]) -> tuple[Holding, ...]:
    """What containers hold of these pools, by their full names; ordered by pod and resource."""
    found = (_holding(each, pools[each.resource]) for each in holders if each.resource in pools)
    return tuple(sorted((each for each in found if each.slots), key=_order))


def in_use(found: Iterable[Holding], pools: Mapping[str, Pool]) -> Mapping[str, int]:
    """The number of slots that containers hold, by the full name of each resource."""
    ids: dict[str, set[str]] = {name: set() for name in pools}
    for each in found:  # a kubelet that still lists a pod that has ended may give its slot again
        ids[each.resource].update(each.slots)
    return {name: len(slots) for name, slots in ids.items()}


def _holding(holder: Holder, pool: Pool) -> Holding:
    counts: Counter[str] = Counter()
    unknown = []
    slots = tuple(sorted(set(holder.ids), key=natural_key))
    for slot in slots:
        parsed = parsed_id(slot)
        group = pool.slot_groups.get(parsed[0]) if parsed else None
        if group is None or not group.hcas:
            unknown.append(slot)
        else:
            counts.update(hca.name for hca in group.hcas)
    hcas = tuple(sorted(counts, key=natural_key))
    return Holding(
        holder.namespace,
        holder.pod,
        holder.container,
        holder.resource,
        slots,
        hcas,
        tuple(unknown),
        dict(counts),
    )


def _order(each: Holding) -> tuple[str, str, str, str]:
    return each.namespace, each.pod, each.container, each.resource
