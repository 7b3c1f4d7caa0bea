"""Whether the network driver of a function offers RDMA on it: its auxiliary device for RDMA.

A network driver creates such a device for each function that can do RDMA, such as ice.roce.0. The
RDMA module binds to it and makes the HCA. Without the device, no module makes an HCA.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from rdma_dp.host.files import Host
from rdma_dp.host.paths import AUXILIARY_DEVICES, KERNEL_RELEASE, PCI_DEVICES
from rdma_dp.inventory.hardware import PciFunction
from rdma_dp.inventory.pci_ids import INTEL


@dataclass(frozen=True, slots=True)
class _Drivers:
    """The names of a driver's auxiliary devices for RDMA, and the first Linux that has them.

    `parameters` is whether devlink parameters of the driver switch RDMA on and off.
    """

    names: tuple[str, ...]
    since: tuple[int, int]
    parameters: bool = False


# Kernel: the names in auxiliary_device_id tables of drivers/infiniband/hw, and the releases whose
# network driver creates them first. An older driver offers RDMA without an auxiliary device.
_DRIVERS: Mapping[str, _Drivers] = {
    "bnxt_en": _Drivers(("bnxt_en.rdma",), (6, 3), parameters=True),
    "i40e": _Drivers(("i40e.iwarp",), (5, 14)),
    "ice": _Drivers(("ice.roce", "ice.iwarp"), (5, 14), parameters=True),
    "mana": _Drivers(("mana.rdma",), (6, 2)),
    "mlx5_core": _Drivers(("mlx5_core.rdma", "mlx5_core.multiport"), (5, 11), parameters=True),
}

# The X722 and its VFs (kernel drivers/net/ethernet/intel/i40e/i40e_devids.h). The other adapters
# of i40e, such as the X710 and the XL710, cannot do RDMA.
_X722 = frozenset({"0dda", "37cc", "37cd", "37ce", "37cf", "37d0", "37d1", "37d2", "37d3", "37d4"})


def why_no_rdma(host: Host, function: PciFunction) -> str | None:
    """Why the driver offers no RDMA on the function; None if it does, or if that is unknown."""
    driver = function.driver or ""
    if driver == "i40e" and function.vendor == INTEL and function.device not in _X722:
        return "this adapter of driver i40e has no RDMA (X710, XL710): only the X722 has"
    known = _DRIVERS.get(driver)
    if known is None or not _has_auxiliary_devices(host, known):
        return None
    entries = host.entries(f"{PCI_DEVICES}/{function.address}")
    stems = {entry.rpartition(".")[0] for entry in entries}
    if stems.intersection(known.names):
        return None
    names = " or ".join(f"{name}.N" for name in known.names[:2])
    return f"driver {driver} offers no RDMA on it: there is no auxiliary device {names}"


def parameters_command(function: PciFunction) -> str | None:
    """The command that shows whether RDMA of the function is switched off; None if none does."""
    known = _DRIVERS.get(function.driver or "")
    if known is None or not known.parameters:
        return None
    return f"devlink dev param show pci/{function.address}"


def _has_auxiliary_devices(host: Host, known: _Drivers) -> bool:
    """Whether the driver would create its auxiliary device on this kernel.

    A device of the driver on another function shows it too: distributions backport drivers.
    """
    if not host.is_directory(AUXILIARY_DEVICES):
        return False
    release = re.match(r"(\d{1,4})\.(\d{1,4})", host.read_or_none(KERNEL_RELEASE) or "", re.ASCII)
    if release and (int(release[1]), int(release[2])) >= known.since:
        return True
    return any(name.rpartition(".")[0] in known.names for name in host.entries(AUXILIARY_DEVICES))
