"""The PCIe roots that DRA sees, and overrides where no HCA has the root of a GPU. Pure.

A claim that requires one PCIe root of a GPU and an HCA can only be allocated if a device of each
has it. On GB300 and in many virtual machines no HCA has the root of any GPU.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle

from rdma_dp.config import Via
from rdma_dp.inventory.hardware import Hca
from rdma_dp.inventory.topology import Distance, Gpu, Topology
from rdma_dp.sharing.pool import Pool
from rdma_dp.text import counted

_CLOSE = frozenset(Distance) - {Distance.SYS, Distance.UNKNOWN}


def pcie_root(hca: Hca, topology: Topology, overrides: Mapping[str, str]) -> str | None:
    """The root that is published for an HCA: the config's, or that of its function in sysfs."""
    if hca.function is None:
        return None
    address = hca.function.address
    places = topology.hcas.get(hca.name, ())
    found = (place.host_bridge for place in places if place.address == address)
    return overrides.get(address) or next(found, None) or None


def device_root(
    hcas: Iterable[Hca], topology: Topology, overrides: Mapping[str, str]
) -> str | None:
    """The root that is published for a device of these HCAs: the one that all of them have."""
    found = {pcie_root(hca, topology, overrides) for hca in hcas}
    return found.pop() if len(found) == 1 else None


@dataclass(frozen=True, slots=True)
class RootedDevice:
    """A device, or all devices with the same HCAs, and the root that is published for it.

    `name` is that of its HCA, or the resource's with the number of its HCAs.
    """

    name: str
    hcas: tuple[Hca, ...]
    root: str | None


@dataclass(frozen=True, slots=True)
class Roots:
    """What a claim for a GPU and an HCA on one root finds on a node.

    `lonely` are the GPUs whose root no device has; () where no device has a root and none could
    have one, because each is of HCAs on several roots. `advised` are overrides for them, for
    `dra.pcieRoots`; {} where nothing is known of what is near.
    """

    devices: tuple[RootedDevice, ...]
    lonely: tuple[Gpu, ...]
    advised: Mapping[str, str]


def published_roots(
    pools: Iterable[Pool], topology: Topology, overrides: Mapping[str, str]
) -> Roots:
    """The roots of all devices that are offered by DRA."""
    devices = tuple(
        RootedDevice(name, hcas, device_root(hcas, topology, overrides))
        for name, hcas in _offered(pools).items()
    )
    roots = {each.root for each in devices}
    gpus = topology.gpus if any(map(_can_have_a_root, devices)) else ()
    lonely = tuple(gpu for gpu in gpus if gpu.place.host_bridge not in roots)
    return Roots(devices, lonely, _advised(lonely, topology, devices))


def _offered(pools: Iterable[Pool]) -> Mapping[str, tuple[Hca, ...]]:
    found: dict[str, tuple[Hca, ...]] = {}
    for pool in pools:
        for group in pool.in_use if pool.resource.via is Via.DRA else ():
            several = f"{pool.resource.full_name} ({counted(len(group.hcas), 'HCA')})"
            found[group.hcas[0].name if len(group.hcas) == 1 else several] = group.hcas
    return found


def _can_have_a_root(device: RootedDevice) -> bool:
    return device.root is not None or len(device.hcas) == 1


def _advised(
    lonely: Sequence[Gpu], topology: Topology, devices: Iterable[RootedDevice]
) -> Mapping[str, str]:
    """Overrides that give each GPU without an HCA the nearest HCAs that no other GPU has.

    HCAs that several GPUs are equally near to are divided among these GPUs, in order.
    """
    roots = {gpu.place.host_bridge for gpu in topology.gpus}
    free = [
        each.hcas[0]
        for each in devices
        if len(each.hcas) == 1 and each.hcas[0].function is not None and each.root not in roots
    ]
    groups: dict[tuple[Hca, ...], list[Gpu]] = {}
    for gpu in lonely:
        shortest, nearest = topology.nearest(gpu, free)
        if shortest in _CLOSE:
            groups.setdefault(nearest, []).append(gpu)
    found: dict[str, str] = {}
    for nearest, gpus in groups.items():
        addresses = dict.fromkeys(hca.function.address for hca in nearest if hca.function)
        owners = cycle(gpus)  # in turn: HCAs of one kind are beside each other
        found |= {
            address: gpu.place.host_bridge
            for address, gpu in zip(addresses, owners, strict=False)
            if address not in found
        }
    return found
