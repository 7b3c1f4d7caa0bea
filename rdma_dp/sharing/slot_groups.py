"""Shares: ranges of a resource's slots, each with the HCAs that one of its slots hands out. Pure.

With `slotsPer: resource` there is one share, of all HCAs, with the ids "0".."N-1": the ids of the
Go plugin, so that it can be replaced under running pods. With `slotsPer: hca` there is one for each
HCA, with the ids "<stable key>-0".."<stable key>-<N-1>".
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from rdma_dp.config import Resource, SlotsPer
from rdma_dp.formats.list_limit import MESSAGE_LIMIT, list_bytes
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
    """The slots of one key at one moment.

    `listed` is how many ids kubelet was ever told, which never shrinks: kubelet crashes when an id
    vanishes while its Allocate is under way. `size` is how many of them, the lowest ones, are in
    use now. A share whose HCA is gone has no HCAs. `numa_node` is what the slots in use tell
    kubelet; the others tell none: to kubelet, one slot with a node is a resource with nodes, and
    where no free slot has one, its topology manager admits no pod.
    """

    key: HardwareKey
    hcas: tuple[Hca, ...]
    size: int
    listed: int
    health: GroupHealth
    numa_node: int | None = None

    @property
    def healthy(self) -> int:
        """How many of the listed ids are Healthy: the lowest ones."""
        return self.size if self.health.healthy else 0

    @property
    def slots(self) -> Iterator[Slot]:
        """Every slot ever listed, the healthy ones first."""
        healthy = self.healthy
        return (
            Slot(
                slot_id(self.key, number),
                number < healthy,
                self.numa_node if number < self.size else None,
            )
            for number in range(self.listed)
        )


def hcas_of(shares: Iterable[SlotGroup]) -> tuple[Hca, ...]:
    """The HCAs of shares, each once, in the order of their names."""
    found = {hca.name: hca for share in shares for hca in share.hcas}
    return tuple(found[name] for name in sorted(found, key=natural_key))


def make_slot_groups(
    resource: Resource, hcas: tuple[Hca, ...], before: Mapping[HardwareKey, SlotGroup], now: float
) -> Mapping[HardwareKey, SlotGroup]:
    """The shares of a resource that hands out `hcas`, by their keys; `before` are the last ones.

    Those that are gone stay, without HCAs: their ids must not vanish.
    """
    groups = _GROUPINGS[resource.slots_per](hcas)
    affordable = _affordable(resource, groups, before)
    shares: dict[HardwareKey, SlotGroup] = {
        key: replace(share, hcas=(), size=0, health=GroupHealth(healthy=False), numa_node=None)
        for key, share in before.items()
        if key not in groups
    }
    for key, members in groups.items():
        last = before.get(key)
        listed = last.listed if last else 0
        size = max(affordable, min(listed, resource.rdma_hca_max)) if members else 0
        shares[key] = SlotGroup(
            key=key,
            hcas=members,
            size=size,
            listed=max(size, listed),
            health=assess(members, resource.health, last.health if last else None, now),
            numa_node=_common_node(members) if resource.tells_topology else None,
        )
    in_order = sorted(shares, key=lambda key: (key is not None, key or ""))
    return MappingProxyType({key: shares[key] for key in in_order})


def _whole(hcas: tuple[Hca, ...]) -> Groups:
    return {None: hcas}


def _by_hca(hcas: tuple[Hca, ...]) -> Groups:
    """HCAs that sit on one function have the key in common, and so the slots."""
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
    """The slots that a share can have that has not listed more before: as configured, or as many
    as kubelet's message holds beside all that was ever listed.
    """
    listed = {key: share.listed for key, share in before.items()}
    topology = resource.tells_topology

    def total(size: int) -> int:
        wanted = {**listed, **{key: max(size, listed.get(key, 0)) for key in groups}}
        return sum(
            list_bytes(count, len(key or ""), topology and key in groups)
            for key, count in wanted.items()
        )

    wanted = resource.rdma_hca_max
    if total(wanted) <= MESSAGE_LIMIT:
        return wanted
    return max(bisect_right(range(wanted), MESSAGE_LIMIT, key=total) - 1, 0)
