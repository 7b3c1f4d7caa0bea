"""Character devices that a driver makes beside uverbs, for a library of its own.

PSM2 and OPX open /dev/hfi1_N of an Omni-Path or CN5000 HCA, PSM opens /dev/ipathN of a TrueScale
HCA. The kernel makes both without a parent, so sysfs shows them below devices/virtual. Their number
is the driver's unit, and so is the number in the HCA's first name.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rdma_dp.discovery.char_devices import char_device
from rdma_dp.discovery.pci_functions import Parent, parent_of
from rdma_dp.host.files import Host, HostError
from rdma_dp.host.paths import CLASS_HFI1, CLASS_IPATH, DEV
from rdma_dp.inventory.hardware import CharDevice, natural_key
from rdma_dp.text import some

_SHOWN = 4  # names in a message


@dataclass(frozen=True, slots=True)
class _Family:
    """The nodes of one driver: their class, and the names before the unit's number."""

    driver: str
    directory: str
    node: str
    hca: str


# Kernel drivers/infiniband/hw/hfi1/{device.c, file_ops.c (user_add), init.c (hfi1_alloc_devdata)},
# drivers/infiniband/hw/qib/{qib_file_ops.c (qib_user_add), qib_init.c (qib_alloc_devdata)}. The
# same classes have nodes for all units together (ipath) and for diagnostics (ipath_diag0): these
# do not belong to one HCA. hfi2 has only uverbs.
_FAMILIES = (
    _Family("hfi1", CLASS_HFI1, "hfi1_", "hfi1_"),
    _Family("ib_qib", CLASS_IPATH, "ipath", "qib"),
)


def read_driver_nodes(
    host: Host, parents: Mapping[str, Parent | None]
) -> Mapping[str, tuple[CharDevice, ...]]:
    """The nodes by the names of the HCAs; `parents` has every HCA of the host. Raises HostError."""
    found: dict[str, tuple[CharDevice, ...]] = {}
    for family in _FAMILIES:
        units = [name for name in host.entries(family.directory) if _is_unit(name, family)]
        if units:
            found |= _of_family(host, family, sorted(units, key=natural_key), parents)
    return found


def _is_unit(name: str, family: _Family) -> bool:
    number = name.removeprefix(family.node)
    return name.startswith(family.node) and number.isascii() and number.isdigit()


def _of_family(
    host: Host, family: _Family, units: list[str], parents: Mapping[str, Parent | None]
) -> Mapping[str, tuple[CharDevice, ...]]:
    hcas = [name for name, parent in parents.items() if _driver(host, parent) == family.driver]
    owners = _owners(host, family, units, {name: parents[name] for name in hcas})
    nodes = {
        hca: (char_device(host, unit, f"{family.directory}/{unit}", f"/{DEV}"),)
        for unit, hca in owners.items()
    }
    left = [unit for unit in units if unit not in owners]
    return nodes | {
        hca: (_unknown(family, hca, left),) for hca in hcas if left and hca not in nodes
    }


def _owners(
    host: Host, family: _Family, units: list[str], hcas: Mapping[str, Parent | None]
) -> dict[str, str]:
    """The HCA of each node: by its parent, else by the unit, else as the only ones that are left.

    An administrator can rename an HCA. Then only the last rule helps, and for several renamed HCAs
    nothing shows which node is whose.
    """
    owners: dict[str, str] = {}
    for unit in units:
        path = host.follow(f"{family.directory}/{unit}")
        parent = parent_of(path) if path else None
        number = unit.removeprefix(family.node)
        candidates = (
            [hca for hca, its in hcas.items() if its == parent]
            if parent is not None
            else [hca for hca in hcas if hca == f"{family.hca}{number}"]
        )
        if candidates:
            owners[unit] = candidates[0]
    units_left = [unit for unit in units if unit not in owners]
    hcas_left = [hca for hca in hcas if hca not in owners.values()]
    if len(units_left) == len(hcas_left) == 1:
        owners[units_left[0]] = hcas_left[0]
    return owners


def _driver(host: Host, parent: Parent | None) -> str | None:
    try:
        return None if parent is None else host.link_name(f"{parent.path}/driver")
    except HostError:  # reported when the function is read
        return None


def _unknown(family: _Family, hca: str, left: Iterable[str]) -> CharDevice:
    nodes = some(tuple(f"/{DEV}/{unit}" for unit in left), _SHOWN)
    return CharDevice(
        f"{family.node}?",
        None,
        fault=f"which of {nodes} belongs to {hca} is unknown, because the HCA was renamed: restore"
        f" its name {family.hca}N",
        directory=f"/{DEV}",
    )
