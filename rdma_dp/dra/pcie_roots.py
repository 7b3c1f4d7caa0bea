"""The PCIe roots that DRA sees, and overrides where no HCA has the root of a GPU. Pure.

A claim that requires one PCIe root of a GPU and an HCA can only be allocated if a device of each
has it. On GB300 and in many virtual machines no HCA has the root of any GPU.
"""

from collections.abc import Iterable, Mapping
from itertools import cycle

from rdma_dp.inventory.hardware import Hca
from rdma_dp.inventory.topology import Distance, Gpu, Topology

_CLOSE = frozenset(Distance) - {Distance.SYS, Distance.UNKNOWN}


def pcie_root(hca: Hca, topology: Topology, overrides: Mapping[str, str]) -> str | None:
    """The root that is published for an HCA: the config's, or that of its function in sysfs."""
    if hca.function is None:
        return None
    address = hca.function.address
    places = topology.hcas.get(hca.name, ())
    found = (place.host_bridge for place in places if place.address == address)
    return overrides.get(address) or next(found, None) or None


def gpus_without_hca(
    topology: Topology, hcas: Iterable[Hca], overrides: Mapping[str, str]
) -> tuple[Gpu, ...]:
    """The GPUs whose root none of these HCAs has."""
    roots = {pcie_root(hca, topology, overrides) for hca in hcas}
    return tuple(gpu for gpu in topology.gpus if gpu.place.host_bridge not in roots)


def advised_overrides(
    topology: Topology, hcas: Iterable[Hca], overrides: Mapping[str, str]
) -> Mapping[str, str]:
    """Overrides that give each GPU without an HCA the nearest HCAs that no other GPU has.

    They are for `dra.pcieRoots`. HCAs that several GPUs are equally near to are divided among these
    GPUs, in order. {} where nothing is known of what is near.
    """
    listed = tuple(hcas)
    lonely = gpus_without_hca(topology, listed, overrides)
    roots = {gpu.place.host_bridge for gpu in topology.gpus}
    free = [
        hca
        for hca in listed
        if hca.function is not None and pcie_root(hca, topology, overrides) not in roots
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
