"""Network functions without an HCA, and why, as far as the node shows it."""

from collections.abc import Iterable

from rdma_dp.discovery.hcas import Sources
from rdma_dp.host import MODULES, PCI_DEVICES
from rdma_dp.model import Hca, IdleFunction, PciFunction

# The module that makes HCAs on top of each Ethernet or core driver (kernel drivers/infiniband/hw).
RDMA_MODULE_OF_DRIVER = {
    "be2net": "ocrdma",
    "bnxt_en": "bnxt_re",
    "cxgb4": "iw_cxgb4",
    "hns3": "hns_roce_hw_v2",
    "i40e": "irdma",
    "ice": "irdma",
    "idpf": "irdma",
    "ionic": "ionic_rdma",
    "mana": "mana_ib",
    "mlx4_core": "mlx4_ib",
    "mlx5_core": "mlx5_ib",
    "qede": "qedr",
}

# Drivers that make the HCA themselves: a bound function without one is broken.
_RDMA_DRIVERS = frozenset({"efa", "erdma", "hfi1", "ib_qib", "vmw_pvrdma"})

# Drivers that hand a function to a virtual machine or to user space.
_PASS_THROUGH_DRIVERS = frozenset(
    {"vfio-pci", "mlx5_vfio_pci", "pci-stub", "pciback", "uio_pci_generic", "igb_uio"}
)

# What would drive a function that nothing drives, by PCI vendor.
_DRIVER_OF_VENDOR = {"15b3": "mlx5_core", "1077": "ib_qib", "1d0f": "ena or efa", "14e4": "bnxt_en"}
_MLX4_DEVICES = range(0x1002, 0x1011)  # ConnectX-2 to ConnectX-3 Pro (kernel mlx4/main.c)


def idle_functions(
    sources: Sources, hcas: Iterable[Hca], netns_mode: str | None
) -> tuple[IdleFunction, ...]:
    """The network functions that no HCA sits on, in the order of their addresses."""
    hcas = tuple(hcas)
    busy = {hca.function.address for hca in hcas if hca.function is not None}
    bonded = {f.address: hca for hca in hcas for f in hca.functions[1:]}
    return tuple(
        IdleFunction(
            function=function,
            netdevs=tuple(link.name for link in sources.links.below(function.address)),
            reason=_bonded_reason(bonded[function.address])
            if function.address in bonded
            else _reason(sources, function, netns_mode),
        )
        for function in sources.functions.network()
        if function.address not in busy
    )


def _bonded_reason(hca: Hca) -> str:
    bonds = {netdev.bond for netdev in hca.netdevs if netdev.bond}
    return f"its port is part of {hca.name}, the HCA of {', '.join(sorted(bonds))}"


def _reason(sources: Sources, function: PciFunction, netns_mode: str | None) -> str:
    driver = function.driver
    if driver is None:
        return _undriven_reason(function)
    if driver in _PASS_THROUGH_DRIVERS:
        return f"bound to {driver}: handed to a virtual machine or to user space"
    if driver in _RDMA_DRIVERS:
        return f"driver {driver} is bound but made no HCA; the kernel's log may say why"
    module = RDMA_MODULE_OF_DRIVER.get(driver)
    if module is None:
        return f"driver {driver} has no RDMA that we know of"
    return _part_of_multiport(sources, function) or _module_reason(
        sources, driver, module, netns_mode
    )


def _undriven_reason(function: PciFunction) -> str:
    driver = _DRIVER_OF_VENDOR.get(function.vendor or "")
    if function.vendor == "15b3" and int(function.device or "0", 16) in _MLX4_DEVICES:
        driver = "mlx4_core"
    return "no driver is bound" + (f"; {driver} would drive it" if driver else "")


def _part_of_multiport(sources: Sources, function: PciFunction) -> str | None:
    """mlx5 can join two functions into one HCA with two ports; the second then shows it so."""
    directory = f"{PCI_DEVICES}/{function.address}"
    for name in sources.host.entries(directory):
        if name.startswith("mlx5_core.rdma."):
            driver = sources.host.link_name(f"{directory}/{name}/driver")
            if driver == "mlx5_ib.multiport":
                return "its port is part of another function's HCA (mlx5_ib.multiport)"
    return None


def _module_reason(sources: Sources, driver: str, module: str, netns_mode: str | None) -> str:
    if not sources.host.is_directory(MODULES):
        return f"driver {driver} made no HCA; whether {module} is loaded cannot be seen here"
    if not sources.host.is_directory(f"{MODULES}/{module}"):
        return f"driver {driver} is bound, but its RDMA module {module} is not loaded"
    if netns_mode == "exclusive":
        return f"{module} is loaded, but the HCA may be in another network namespace (exclusive)"
    return f"{driver} and {module} are loaded but made no HCA; the kernel's log may say why"
