"""A resource's slots, and what a container gets for one. Pure.

One resource is one pool of `rdmaHcaMax` slots with the ids "0".."N-1": the ids of the Go plugin,
so that it can be replaced under running pods. A slot is not tied to an HCA: each container gets
the nodes of all HCAs in the pool.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from rdma_dp.config import Resource
from rdma_dp.errors import RdmaDpError
from rdma_dp.health import Health, assess
from rdma_dp.model import CharDevice, Hca, System
from rdma_dp.names import hcas_variable
from rdma_dp.selection import Selection, some

PERMISSIONS = "rwm"

_TOLD = 3  # a pod's status and a line of the log have room for so many; `dry-run` tells them all


class UnknownSlotError(RdmaDpError):
    """Slots were asked for that this resource never listed. The text reaches the pod's owner."""


class EmptyPoolError(RdmaDpError):
    """The pool is empty right now. The text reaches the pod's owner."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A unit that kubelet counts and hands to one container."""

    id: str
    healthy: bool


@dataclass(frozen=True, slots=True)
class Grant:
    """What a container gets: device paths (the same inside and outside), environment, CDI names."""

    devices: tuple[str, ...]
    envs: Mapping[str, str]
    cdi_devices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pool:
    """The slots of one resource at one moment.

    `listed` is how many ids kubelet was ever told, which never shrinks: kubelet crashes when an
    id vanishes while its Allocate is under way. `why_empty` is why there is no HCA.
    """

    resource: Resource
    hcas: tuple[Hca, ...]
    rdma_cm: CharDevice | None
    listed: int
    health: Health
    why_empty: str | None = None

    @property
    def healthy(self) -> int:
        """How many of the listed ids are Healthy: the lowest ones."""
        return self.resource.rdma_hca_max if self.health.healthy else 0

    @property
    def slots(self) -> Iterator[Slot]:
        """Every slot ever listed, the healthy ones first."""
        return (Slot(str(number), number < self.healthy) for number in range(self.listed))


def make_pool(
    selection: Selection, system: System, previous: Pool | None = None, now: float = 0.0
) -> Pool:
    """The pool after a scan at `now`, in seconds. `previous` is what kubelet was told before."""
    hcas = selection.chosen
    size = selection.resource.rdma_hca_max
    listed_before = 0 if previous is None else previous.listed
    return Pool(
        resource=selection.resource,
        hcas=hcas,
        rdma_cm=system.rdma_cm,
        listed=max(listed_before, size if hcas else 0),
        health=assess(hcas, selection.resource.health, previous.health if previous else None, now),
        why_empty=None if hcas else _why_empty(selection),
    )


def _why_empty(selection: Selection) -> str:
    told = selection.rejections[:_TOLD]
    if not told:
        return "the node has no RDMA device"
    left = len(selection.rejected) - sum(len(names) for names, _ in told)
    more = f" | and {left} more" if left else ""
    return " | ".join(f"{some(names, _TOLD)}: {'; '.join(why)}" for names, why in told) + more


def allocate(pool: Pool, ids: Iterable[str]) -> Grant:
    """What one container gets for these slots.

    Raises UnknownSlotError or EmptyPoolError, worded for the owner of the pod, who reads it in the
    pod's status.
    """
    name = pool.resource.full_name
    if not pool.hcas:
        raise EmptyPoolError(
            f"{name} has no usable HCA on this node: {pool.why_empty}",
            "the node's administrator sees more with `rdma-dp dry-run`",
        )
    unknown = [wanted for wanted in ids if not _is_listed(pool, wanted)]
    if unknown:
        raise UnknownSlotError(
            f"{name} has no slot {', '.join(map(repr, unknown[:5]))} on this node",
            "the resource was probably reconfigured meanwhile; delete the pod to try again",
        )
    return grant(pool)


def grant(pool: Pool) -> Grant:
    """What any container gets from this pool at this moment."""
    devices = {device.path for hca in pool.hcas for device in hca.char_devices if device.usable}
    if pool.hcas and pool.rdma_cm is not None and pool.rdma_cm.usable:
        devices.add(pool.rdma_cm.path)
    names = ",".join(hca.name for hca in pool.hcas)
    envs = {hcas_variable(pool.resource.resource_name): names} if names else {}
    return Grant(tuple(sorted(devices)), MappingProxyType(envs))


def _is_listed(pool: Pool, slot_id: str) -> bool:
    # A slot's id is its number as str() writes it: "07" or "+7" is none.
    return (
        slot_id.isascii()
        and slot_id.isdecimal()
        and len(slot_id) < 10
        and str(int(slot_id)) == slot_id
        and int(slot_id) < pool.listed
    )
