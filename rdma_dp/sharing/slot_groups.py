"""Slot groups: ranges of a resource's slots, each with the HCAs that its slots give. Pure.

With `slotsPer: resource` there is one group with all HCAs. Its ids are "0" to "N-1", as the Go
plugin's are, so that you can replace the Go plugin under running pods. With `slotsPer: hca` there
is one group for each HCA. Its ids are "<hardware key>-0" to "<hardware key>-<N-1>".
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from rdma_dp.config import Resource, SlotsPer
from rdma_dp.formats.list_size import MESSAGE_LIMIT, list_bytes
from rdma_dp.formats.slot_ids import HardwareKey, slot_id
from rdma_dp.inventory.hardware import Hca, natural_key
from rdma_dp.sharing.health import GroupHealth, assess

Groups = Mapping[HardwareKey, tuple[Hca, ...]]


@dataclass(frozen=True, slots=True)
class Slot:
    """A unit that kubelet counts and hands to one container."""

    id: str
    healthy: bool
    numa_node: int | None = None


@dataclass(frozen=True, slots=True)
class SlotGroup:
    """The slots of one hardware key at one moment.

    `ever_listed` is how many ids were ever in a list to kubelet. It never shrinks, because kubelet
    crashes when an id vanishes during its Allocate. `active` is how many of them are in use now:
    the lowest ones. A group whose HCA is gone has no HCAs.

    `numa_node` is listed with the active slots. Inactive slots carry no NUMA node: to kubelet, one
    slot with a node makes the resource one with nodes, and if no free slot has a node, its topology
    manager admits no pod.
    """

    key: HardwareKey
    hcas: tuple[Hca, ...]
    active: int
    ever_listed: int
    health: GroupHealth
    numa_node: int | None = None

    @property
    def healthy(self) -> int:
        """How many of the ids are Healthy: the lowest ones."""
        return self.active if self.health.healthy else 0

    @property
    def slots(self) -> Iterator[Slot]:
        """Every slot ever listed, the healthy ones first."""
        healthy = self.healthy
        return (
            Slot(
                slot_id(self.key, number),
                number < healthy,
                self.numa_node if number < self.active else None,
            )
            for number in range(self.ever_listed)
        )


def hcas_of(groups: Iterable[SlotGroup]) -> tuple[Hca, ...]:
    """The HCAs of slot groups, each once, in the order of their names."""
    found = {hca.name: hca for group in groups for hca in group.hcas}
    return tuple(found[name] for name in sorted(found, key=natural_key))


def make_slot_groups(
    resource: Resource, hcas: tuple[Hca, ...], before: Mapping[HardwareKey, SlotGroup], now: float
) -> Mapping[HardwareKey, SlotGroup]:
    """The slot groups of a resource that hands out `hcas`, by their hardware keys.

    `before` are the groups before. Groups whose HCAs are gone stay, without HCAs, because their ids
    must not vanish.
    """
    members_of = _GROUPINGS[resource.slots_per](hcas)
    affordable = _affordable(resource, members_of, before)
    groups: dict[HardwareKey, SlotGroup] = {
        key: replace(group, hcas=(), active=0, health=GroupHealth(healthy=False), numa_node=None)
        for key, group in before.items()
        if key not in members_of
    }
    for key, members in members_of.items():
        last = before.get(key)
        ever_listed = last.ever_listed if last else 0
        active = max(affordable, min(ever_listed, resource.rdma_hca_max)) if members else 0
        groups[key] = SlotGroup(
            key=key,
            hcas=members,
            active=active,
            ever_listed=max(active, ever_listed),
            health=assess(members, resource.health, last.health if last else None, now),
            numa_node=_common_node(members) if resource.tells_topology else None,
        )
    in_order = sorted(groups, key=lambda key: (key is not None, key or ""))
    return MappingProxyType({key: groups[key] for key in in_order})


def _whole(hcas: tuple[Hca, ...]) -> Groups:
    return {None: hcas}


def _by_hca(hcas: tuple[Hca, ...]) -> Groups:
    """HCAs on one function have one hardware key, and so the same slots."""
    groups: dict[HardwareKey, tuple[Hca, ...]] = {}
    for hca in hcas:
        groups[hca.stable_key] = (*groups.get(hca.stable_key, ()), hca)
    return groups


_GROUPINGS: Mapping[SlotsPer, Callable[[tuple[Hca, ...]], Groups]] = MappingProxyType(
    {SlotsPer.RESOURCE: _whole, SlotsPer.HCA: _by_hca}
)


def _common_node(hcas: Iterable[Hca]) -> int | None:
    nodes = {hca.numa_node for hca in hcas}
    return nodes.pop() if len(nodes) == 1 else None


def _affordable(resource: Resource, groups: Groups, before: Mapping[HardwareKey, SlotGroup]) -> int:
    """How many slots each group may have if it never listed more.

    That is rdmaHcaMax, or as many as fit into kubelet's message beside all that was ever listed.
    """
    ever_listed = {key: group.ever_listed for key, group in before.items()}
    topology = resource.tells_topology

    def total(size: int) -> int:
        wanted = {**ever_listed, **{key: max(size, ever_listed.get(key, 0)) for key in groups}}
        return sum(
            list_bytes(count, len(key or ""), topology and key in groups)
            for key, count in wanted.items()
        )

    wanted = resource.rdma_hca_max
    if total(wanted) <= MESSAGE_LIMIT:
        return wanted
    return max(bisect_right(range(wanted), MESSAGE_LIMIT, key=total) - 1, 0)
