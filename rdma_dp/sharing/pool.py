"""A resource at one moment: its shares, and what is to be said of them together. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from rdma_dp.config import CdiMode, Config, Resource
from rdma_dp.formats.slot_ids import HardwareKey
from rdma_dp.inventory.hardware import CharDevice, Hca, Inventory, System
from rdma_dp.sharing.selection import Selection, select
from rdma_dp.sharing.slot_groups import Slot, SlotGroup, hcas_of, make_slot_groups
from rdma_dp.text import some

_SHOWN = 3  # a pod's status and a line of the log have room for so many; `dry-run` tells them all

_NOTHING: Mapping[HardwareKey, SlotGroup] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Pool:
    """The slots of one resource, and the selection of HCAs that they come from.

    `cdi` is how containers get their devices. `trouble` is what keeps all of them from being handed
    out, whatever their HCAs' health.
    """

    selection: Selection
    slot_groups: Mapping[HardwareKey, SlotGroup]
    rdma_cm: CharDevice | None
    cdi: CdiMode = CdiMode.OFF
    trouble: str | None = None

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
        """The shares that have an HCA."""
        return tuple(share for share in self.slot_groups.values() if share.hcas)

    @property
    def slots(self) -> Iterator[Slot]:
        """Every slot ever listed."""
        slots = (slot for share in self.slot_groups.values() for slot in share.slots)
        return slots if self.trouble is None else (replace(slot, healthy=False) for slot in slots)

    @property
    def listing(self) -> tuple[tuple[object, ...], ...]:
        """What kubelet is told of all slots, in short: equal listings are equal lists."""
        return tuple(
            (
                share.key,
                share.listed,
                share.healthy if self.trouble is None else 0,
                share.size,
                share.numa_node,
            )
            for share in self.slot_groups.values()
        )

    @property
    def listed(self) -> int:
        """How many slots kubelet counts as the node's capacity."""
        return sum(share.listed for share in self.slot_groups.values())

    @property
    def healthy(self) -> int:
        """How many of them are Healthy."""
        return (
            sum(share.healthy for share in self.slot_groups.values()) if self.trouble is None else 0
        )

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why slots are not Healthy, or soon will not be, besides that they have no HCA."""
        found = (each.health.reason.text for each in self.in_use if each.health.reason)
        return tuple(dict.fromkeys(filter(None, (self.trouble, *found))))

    @property
    def slots_each(self) -> int:
        """How many slots each share has that has an HCA: rdmaHcaMax, or as many as fit."""
        return min((share.size for share in self.in_use), default=0)

    @property
    def all_healthy(self) -> bool:
        """Whether every HCA's slots can be used, and there is one."""
        healthy = [share.health.healthy for share in self.in_use]
        return self.trouble is None and bool(healthy) and all(healthy)

    @property
    def overdue_at(self) -> float | None:
        """When the next share turns Unhealthy if nothing happens, on the caller's clock."""
        deadlines = (share.health.overdue_at for share in self.slot_groups.values())
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is not as the config wants it."""
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
    cdi: CdiMode,
    previous: Mapping[str, Pool] = MappingProxyType({}),
    now: float = 0.0,
) -> tuple[Pool, ...]:
    """The pools of a config on a node; `previous` are the last ones, by their full names."""
    return tuple(
        make_pool(
            select(inventory, resource),
            inventory.system,
            previous.get(resource.full_name),
            now,
            cdi,
        )
        for resource in config.config_list
    )


def make_pool(
    selection: Selection,
    system: System,
    previous: Pool | None = None,
    now: float = 0.0,
    cdi: CdiMode = CdiMode.OFF,
) -> Pool:
    """The pool after a scan at `now`, in seconds. `previous` is what kubelet was told before."""
    before = previous.slot_groups if previous else _NOTHING
    return Pool(
        selection=selection,
        slot_groups=make_slot_groups(selection.resource, selection.chosen, before, now),
        rdma_cm=system.rdma_cm,
        cdi=cdi,
    )


def _why_empty(selection: Selection) -> str:
    told = selection.rejections[:_SHOWN]
    if not told:
        return "the node has no RDMA device"
    left = len(selection.rejected) - sum(len(names) for names, _ in told)
    more = f" | and {left} more" if left else ""
    return " | ".join(f"{some(names, _SHOWN)}: {'; '.join(why)}" for names, why in told) + more
