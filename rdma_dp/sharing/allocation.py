"""Which devices and variables a container gets for its slots. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from types import MappingProxyType

from rdma_dp.config import EnvForm
from rdma_dp.errors import RdmaDpError
from rdma_dp.formats.names import hcas_variable
from rdma_dp.formats.slot_ids import HardwareKey, parsed_id
from rdma_dp.inventory.hardware import CharDevice, Hca
from rdma_dp.sharing.pool import Pool
from rdma_dp.sharing.slot_groups import SlotGroup, hcas_of
from rdma_dp.text import some

PERMISSIONS = "rwm"

_IDS_SHOWN = 5  # slot ids in one message
_ID_SHOWN = 80  # characters of one id; those that kubelet did not get from us can be of any length


class UnknownSlotError(RdmaDpError):
    """kubelet asked for slots that this resource never listed. The pod's owner reads the text."""


class NoHcaError(RdmaDpError):
    """The slots have no HCA at the moment. The pod's owner reads the text."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What one container gets: HCAs, and rdma_cm, which all HCAs share.

    `full_name` is the resource's name with its prefix ("rdma/hca"), `name` is the part after the
    slash, and `env` maps the names of further variables to the form of their values. `management`
    is whether umad and issm are among the devices. `in_part` are the names of the HCAs of which the
    resource takes some ports only; the other ports are not in `hcas`.
    """

    full_name: str
    name: str
    env: Mapping[str, EnvForm]
    hcas: tuple[Hca, ...]
    rdma_cm: CharDevice | None
    management: bool = True
    in_part: Set[str] = frozenset()

    @property
    def devices(self) -> tuple[str, ...]:
        """The paths of the device nodes, sorted; host and container use the same paths."""
        found = {device.path for hca in self.hcas for device in self.devices_of(hca)}
        if self.rdma_cm is not None:
            found.add(self.rdma_cm.path)
        return tuple(sorted(found))

    def devices_of(self, hca: Hca) -> tuple[CharDevice, ...]:
        """The character devices of an HCA that the container gets: those that it can use."""
        return tuple(device for device in wanted_devices(hca, self.management) if device.usable)

    @property
    def envs(self) -> Mapping[str, str]:
        """The environment variables that list the container's HCAs."""
        if not self.hcas:
            return MappingProxyType({})
        values = {name: _FORMS[form](self.hcas, self.in_part) for name, form in self.env.items()}
        # An HCA without ports gives an empty list. UCX reads an empty list as "use no device", and
        # a missing variable as "use any device", so leave the variable out.
        filled = {name: value for name, value in values.items() if value}
        return MappingProxyType({hcas_variable(self.name): _names(self.hcas), **filled})


def _names(hcas: Sequence[Hca]) -> str:
    return ",".join(hca.name for hca in hcas)


def _exact_names(hcas: Sequence[Hca], in_part: Set[str]) -> str:
    # Without the "=", NCCL reads mlx5_1 as a prefix that also matches mlx5_10. Without a port, it
    # uses all ports (NCCL user guide, environment variables, NCCL_IB_HCA).
    names = (_ports([hca], in_part) if hca.name in in_part else hca.name for hca in hcas)
    return f"={','.join(names)}"


def _ports(hcas: Sequence[Hca], in_part: Set[str]) -> str:  # noqa: ARG001 - the form of a value
    return ",".join(f"{hca.name}:{port.number}" for hca in hcas for port in hca.ports)


_FORMS: Mapping[EnvForm, Callable[[Sequence[Hca], Set[str]], str]] = MappingProxyType(
    {EnvForm.HCAS: _exact_names, EnvForm.PORTS: _ports}
)


def wanted_devices(hca: Hca, management: bool) -> tuple[CharDevice, ...]:
    """The HCA's character devices for a container; umad and issm only with `management`."""
    left_out = () if management else hca.management_nodes
    return tuple(device for device in hca.char_devices if device not in left_out)


def allocate(pool: Pool, ids: Iterable[str]) -> Grant:
    """The grant for one container with these slots: the HCAs of their slot groups.

    Raises UnknownSlotError or NoHcaError. Their texts are for the pod's owner, who reads them in
    the pod's status.
    """
    wanted = {slot: _group_of(pool, slot) for slot in ids}
    name = pool.resource.full_name
    if not pool.in_use:
        raise NoHcaError(
            f"{name} has no usable HCA on this node: {pool.why_empty}",
            "the node's administrator sees more with `rdma-dp dry-run`",
        )
    unknown = tuple(_quoted(slot) for slot, group in wanted.items() if _is_unknown(pool, group))
    if unknown:
        raise UnknownSlotError(
            f"{name} has no slot {some(unknown, _IDS_SHOWN)} on this node",
            "the resource was probably reconfigured in the meantime; delete the pod to try again",
        )
    lost = tuple(_quoted(slot) for slot, group in wanted.items() if group and not group.hcas)
    if lost:
        raise NoHcaError(
            f"the HCA of slot {some(lost, _IDS_SHOWN)} of {name} is gone",
            "delete the pod to try again; the node's administrator sees more with"
            " `rdma-dp dry-run`",
        )
    return granted(pool, [group for group in wanted.values() if group])


def keys_of(pool: Pool, ids: Iterable[str]) -> frozenset[HardwareKey] | None:
    """The hardware keys of slots. Two containers whose slots have the same keys get the same grant.

    None if `allocate` raises for some slot.
    """
    groups = [_group_of(pool, slot) for slot in ids]
    keys = frozenset(group.key for group in groups if group and group.hcas)
    return keys if all(group and group.hcas for group in groups) else None


def _quoted(slot: str) -> str:
    return repr(slot[:_ID_SHOWN]) + ("..." if slot[_ID_SHOWN:] else "")


def grant(pool: Pool) -> Grant:
    """The grant for a container that has a slot of every slot group."""
    return granted(pool, pool.slot_groups.values())


def example(pool: Pool) -> Grant:
    """The grant for one slot: of the first healthy slot group, or else of the first with an HCA."""
    return granted(pool, sorted(pool.in_use, key=lambda group: not group.healthy)[:1])


def granted(pool: Pool, groups: Iterable[SlotGroup]) -> Grant:
    """The grant for a container that has a slot of each of these slot groups."""
    hcas, resource = hcas_of(groups), pool.resource
    rdma_cm = pool.rdma_cm if hcas and pool.rdma_cm is not None and pool.rdma_cm.usable else None
    name, env, management = resource.resource_name, resource.env, resource.management
    in_part = pool.selection.ports.keys()
    return Grant(resource.full_name, name, env, hcas, rdma_cm, management, in_part)


def _is_unknown(pool: Pool, group: SlotGroup | None) -> bool:
    """Whether the current config has no such slot: never listed, or from another `slotsPer`."""
    return group is None or (not group.hcas and (group.key is not None) != pool.resource.per_hca)


def _group_of(pool: Pool, slot: str) -> SlotGroup | None:
    """The slot group that has ever listed the slot."""
    parsed = parsed_id(slot)
    group = pool.slot_groups.get(parsed[0]) if parsed else None
    return group if group and parsed and parsed[1] < group.ever_listed else None
