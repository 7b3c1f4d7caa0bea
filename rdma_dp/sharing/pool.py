"""A resource at one moment: its slot groups, and what holds for all of them together. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from rdma_dp.config import EMPTY_CONFIG, CdiMode, Config, Resource
from rdma_dp.formats.slot_ids import HardwareKey
from rdma_dp.inventory.hardware import CharDevice, Hca, Inventory, System
from rdma_dp.inventory.verdicts import Unhealthy
from rdma_dp.sharing.selection import Selection, select
from rdma_dp.sharing.slot_groups import Slot, SlotGroup, hcas_of, make_slot_groups
from rdma_dp.text import Values, some

_SHOWN = 3  # what fits into a pod's status and a line of the log; `dry-run` shows all
_REASONS_SHOWN = 10  # of an HCA; there are ten selectors

_NOTHING: Mapping[HardwareKey, SlotGroup] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Pool:
    """The slots of one resource, and the selection of HCAs that they come from.

    `cdi` is how containers get their devices. `withheld_because` is why no slot is handed out,
    whatever the health of the HCAs; None when nothing is withheld.
    """

    selection: Selection
    slot_groups: Mapping[HardwareKey, SlotGroup]
    rdma_cm: CharDevice | None
    cdi: CdiMode = CdiMode.OFF
    withheld_because: Unhealthy | None = None

    def withheld(self, reason: Unhealthy) -> "Pool":
        """The same pool without a healthy slot. A pool that is withheld keeps its first reason."""
        return self if self.withheld_because else replace(self, withheld_because=reason)

    @property
    def resource(self) -> Resource:
        """The resource of the config."""
        return self.selection.resource

    @property
    def why_empty(self) -> str | None:
        """Why there is no HCA; None when there is one."""
        return None if self.selection.chosen else _why_empty(self.selection)

    @property
    def hcas(self) -> tuple[Hca, ...]:
        """All HCAs that are handed out, in the order of their names."""
        return hcas_of(self.slot_groups.values())

    @property
    def in_use(self) -> tuple[SlotGroup, ...]:
        """The slot groups that have an HCA."""
        return tuple(group for group in self.slot_groups.values() if group.hcas)

    @property
    def slots(self) -> Iterator[Slot]:
        """Every slot ever listed."""
        slots = (slot for group in self.slot_groups.values() for slot in group.slots)
        return (
            slots
            if self.withheld_because is None
            else (replace(slot, healthy=False) for slot in slots)
        )

    @property
    def listing(self) -> tuple[tuple[object, ...], ...]:
        """The list for kubelet in short: two pools with equal listings have equal lists."""
        return tuple(
            (
                group.key,
                group.ever_listed,
                group.healthy if self.withheld_because is None else 0,
                group.active,
                group.numa_node,
            )
            for group in self.slot_groups.values()
        )

    @property
    def listed(self) -> int:
        """How many slots kubelet counts as the node's capacity."""
        return sum(group.ever_listed for group in self.slot_groups.values())

    @property
    def healthy(self) -> int:
        """How many of them are Healthy."""
        if self.withheld_because is not None:
            return 0
        return sum(group.healthy for group in self.slot_groups.values())

    @property
    def reasons(self) -> tuple[Unhealthy, ...]:
        """Why slots are not Healthy, or soon will not be, besides that they have no HCA."""
        found = (each.health.reason for each in self.in_use)
        return tuple(dict.fromkeys(filter(None, (self.withheld_because, *found))))

    @property
    def slots_each(self) -> int:
        """The fewest slots that a slot group with an HCA has: rdmaHcaMax, or as many as fit."""
        return min((group.active for group in self.in_use), default=0)

    @property
    def all_healthy(self) -> bool:
        """Whether there is an HCA, and the slots of every HCA can be used."""
        healthy = [group.health.healthy for group in self.in_use]
        return self.withheld_because is None and bool(healthy) and all(healthy)

    @property
    def overdue_at(self) -> float | None:
        """When the next slot group turns Unhealthy if nothing happens, on the caller's clock."""
        deadlines = (group.health.overdue_at for group in self.slot_groups.values())
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What differs from the config."""
        wanted, count = self.resource.rdma_hca_max, len(self.hcas)
        if not count or self.slots_each >= wanted:
            return ()
        warning = (
            f"{wanted} slots for each of {count} HCAs do not fit into one message to kubelet:"
            f" some have only {self.slots_each}; choose a smaller rdmaHcaMax, and restart rdma-dp"
            " to forget the slots of HCAs that are gone"
        )
        return (warning,)


def make_pools(
    config: Config,
    inventory: Inventory,
    previous: Mapping[str, Pool] = MappingProxyType({}),
    now: float = 0.0,
) -> tuple[Pool, ...]:
    """The pools of a config on a node. `previous` are the pools before, by their full names."""
    return tuple(
        make_pool(
            select(inventory, resource),
            inventory.system,
            previous.get(resource.full_name),
            now,
            config,
        )
        for resource in config.config_list
    )


def make_pool(
    selection: Selection,
    system: System,
    previous: Pool | None = None,
    now: float = 0.0,
    config: Config = EMPTY_CONFIG,
) -> Pool:
    """The pool after a scan at `now`, in seconds on the caller's clock.

    `previous` is the pool before it: ids that were ever listed stay listed. Of `config` only what
    concerns the node as a whole counts here.
    """
    before = previous.slot_groups if previous else _NOTHING
    return Pool(
        selection=selection,
        slot_groups=make_slot_groups(selection.resource, selection.chosen, before, now),
        rdma_cm=system.rdma_cm,
        cdi=config.cdi,
    )


def _why_empty(selection: Selection) -> str:
    shown = selection.rejections[:_SHOWN]
    if not shown:
        return "the node has no RDMA device"
    left = len(selection.rejected) - sum(len(names) for names, _ in shown)
    more = f" | and {left} more" if left else ""
    return " | ".join(f"{some(names, _SHOWN)}: {_first(why)}" for names, why in shown) + more


def _first(reasons: Values) -> str:
    """The first reasons. Several sets of selectors give a reason each."""
    left = len(reasons) - _REASONS_SHOWN
    return "; ".join(reasons[:_REASONS_SHOWN]) + (f"; and {left} more" if left > 0 else "")
