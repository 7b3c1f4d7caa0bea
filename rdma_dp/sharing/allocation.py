"""What a container gets for its slots. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from rdma_dp.config import EnvForm, Resource
from rdma_dp.errors import RdmaDpError
from rdma_dp.formats.names import hcas_variable
from rdma_dp.formats.slot_ids import parsed_id
from rdma_dp.inventory.hardware import CharDevice, Hca
from rdma_dp.sharing.pool import Pool
from rdma_dp.sharing.slot_groups import SlotGroup, hcas_of
from rdma_dp.text import some

PERMISSIONS = "rwm"

_SHOWN = 5  # ids in one message


class UnknownSlotError(RdmaDpError):
    """Slots were asked for that this resource never listed. The text reaches the pod's owner."""


class NoHcaError(RdmaDpError):
    """There is no HCA behind the slots right now. The text reaches the pod's owner."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What one container gets: HCAs, and the connection manager that all HCAs have in common."""

    resource: Resource
    hcas: tuple[Hca, ...]
    rdma_cm: CharDevice | None

    @property
    def devices(self) -> tuple[str, ...]:
        """The paths of the device nodes, the same inside the container and outside, sorted."""
        found = {device.path for hca in self.hcas for device in usable_devices(hca)}
        if self.rdma_cm is not None:
            found.add(self.rdma_cm.path)
        return tuple(sorted(found))

    @property
    def envs(self) -> Mapping[str, str]:
        """The variables that tell the container its HCAs."""
        if not self.hcas:
            return MappingProxyType({})
        own = hcas_variable(self.resource.resource_name)
        wanted = {name: _FORMS[form](self.hcas) for name, form in self.resource.env.items()}
        # An empty list of ports, of an HCA that shows none, would forbid what no list leaves open.
        told = {name: value for name, value in wanted.items() if value}
        return MappingProxyType({own: _names(self.hcas), **told})


def _names(hcas: Sequence[Hca]) -> str:
    return ",".join(hca.name for hca in hcas)


def _exact_names(hcas: Sequence[Hca]) -> str:
    # Without the "=", NCCL takes mlx5_1 for a prefix: mlx5_10 would match too (NCCL's user guide,
    # environment variables, NCCL_IB_HCA).
    return f"={_names(hcas)}"


def _ports(hcas: Sequence[Hca]) -> str:
    return ",".join(f"{hca.name}:{port.number}" for hca in hcas for port in hca.ports)


_FORMS: Mapping[EnvForm, Callable[[Sequence[Hca]], str]] = MappingProxyType(
    {EnvForm.HCAS: _exact_names, EnvForm.PORTS: _ports}
)


def usable_devices(hca: Hca) -> tuple[CharDevice, ...]:
    """The HCA's character devices that a container can be given."""
    return tuple(device for device in hca.char_devices if device.usable)


def allocate(pool: Pool, ids: Iterable[str]) -> Grant:
    """What one container gets for these slots: the HCAs of their shares.

    Raises UnknownSlotError or NoHcaError, worded for the owner of the pod, who reads it in the
    pod's status.
    """
    wanted = {slot: _share_of(pool, slot) for slot in ids}
    name = pool.resource.full_name
    if not pool.in_use:
        raise NoHcaError(
            f"{name} has no usable HCA on this node: {pool.why_empty}",
            "the node's administrator sees more with `rdma-dp dry-run`",
        )
    unknown = tuple(repr(slot) for slot, share in wanted.items() if _is_unknown(pool, share))
    if unknown:
        raise UnknownSlotError(
            f"{name} has no slot {some(unknown, _SHOWN)} on this node",
            "the resource was probably reconfigured meanwhile; delete the pod to try again",
        )
    lost = tuple(repr(slot) for slot, share in wanted.items() if share and not share.hcas)
    if lost:
        raise NoHcaError(
            f"the HCA of slot {some(lost, _SHOWN)} of {name} is not there any more",
            "delete the pod to try again; the node's administrator sees more with"
            " `rdma-dp dry-run`",
        )
    return granted(pool, [share for share in wanted.values() if share])


def grant(pool: Pool) -> Grant:
    """What a container would get that had a slot of every share."""
    return granted(pool, pool.slot_groups.values())


def example(pool: Pool) -> Grant:
    """What a container gets for one slot: the first Healthy one, or the first with an HCA."""
    return granted(pool, sorted(pool.in_use, key=lambda share: not share.healthy)[:1])


def granted(pool: Pool, shares: Iterable[SlotGroup]) -> Grant:
    """What a container gets that has a slot of each of these shares."""
    hcas = hcas_of(shares)
    rdma_cm = pool.rdma_cm if hcas and pool.rdma_cm is not None and pool.rdma_cm.usable else None
    return Grant(pool.resource, hcas, rdma_cm)


def _is_unknown(pool: Pool, share: SlotGroup | None) -> bool:
    """Whether a slot means nothing under the config in force: never listed, or of another kind."""
    return share is None or (not share.hcas and (share.key is not None) != pool.resource.per_hca)


def _share_of(pool: Pool, slot: str) -> SlotGroup | None:
    """The share that once listed the slot."""
    parsed = parsed_id(slot)
    share = pool.slot_groups.get(parsed[0]) if parsed else None
    return share if share and parsed and parsed[1] < share.listed else None
