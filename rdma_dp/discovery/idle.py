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
_DRIVER_OF_VENDOR = {"15b3": "mlx5_core", "1077": "ib_qib"}
_MLX4_DEVICES = range(0x1002, 0x1011)  # ConnectX-2 to ConnectX-3 Pro (kernel mlx4/main.c)

_KERNEL_LOG = "dmesg | grep -iE 'rdma|infiniband|mlx|irdma|bnxt'"

Finding = tuple[str, str | None]  # the reason and its remedy


def idle_functions(
    sources: Sources, hcas: Iterable[Hca], netns_mode: str | None
) -> tuple[IdleFunction, ...]:
    """The network functions that no HCA sits on, in the order of their addresses."""
    hcas = tuple(hcas)
    busy = {hca.function.address for hca in hcas if hca.function is not None}
    bonded = {f.address: _bonded_reason(hca) for hca in hcas for f in hca.functions[1:]}
    found = []
    for function in sources.functions.network():
        if function.address in busy:
            continue
        netdevs = tuple(link.name for link in sources.links.below(function.address))
        bond = bonded.get(function.address)
        reason, remedy = (bond, None) if bond else _reason(sources, function, netns_mode)
        found.append(IdleFunction(function, netdevs, reason, remedy))
    return tuple(found)


def _bonded_reason(hca: Hca) -> str:
    bonds = {netdev.bond for netdev in hca.netdevs if netdev.bond}
    return f"its port is part of {hca.name}, the HCA of {', '.join(sorted(bonds))}"


def _reason(sources: Sources, function: PciFunction, netns_mode: str | None) -> Finding:
    driver = function.driver
    if driver is None:
        return _without_driver(function)
    if driver in _PASS_THROUGH_DRIVERS:
        return f"bound to {driver}: handed to a virtual machine or to user space", None
    if driver in _RDMA_DRIVERS:
        return f"driver {driver} is bound but made no HCA", _KERNEL_LOG
    module = RDMA_MODULE_OF_DRIVER.get(driver)
    if module is None:
        return f"driver {driver} has no RDMA that we know of", None
    if _is_part_of_multiport(sources, function):
        return "its port is part of another function's HCA (mlx5_ib.multiport)", None
    return _without_rdma_module(sources, driver, module, netns_mode)


def _without_driver(function: PciFunction) -> Finding:
    driver = _DRIVER_OF_VENDOR.get(function.vendor or "")
    if function.vendor == "15b3" and int(function.device or "0", 16) in _MLX4_DEVICES:
        driver = "mlx4_core"
    remedy = f"modprobe {driver}" if driver else None
    return "no driver is bound", remedy


def _is_part_of_multiport(sources: Sources, function: PciFunction) -> bool:
    """mlx5 can join two functions into one HCA with two ports; the second then shows it so."""
    directory = f"{PCI_DEVICES}/{function.address}"
    return any(
        sources.host.link_name(f"{directory}/{name}/driver") == "mlx5_ib.multiport"
        for name in sources.host.entries(directory)
        if name.startswith("mlx5_core.rdma.")
    )


def _without_rdma_module(
    sources: Sources, driver: str, module: str, netns_mode: str | None
) -> Finding:
    if not sources.host.is_directory(MODULES):
        return f"driver {driver} made no HCA; whether {module} is loaded cannot be seen here", None
    if not sources.host.is_directory(f"{MODULES}/{module}"):
        return (
            f"driver {driver} is bound, but its RDMA module {module} is not loaded",
            f"modprobe {module}",
        )
    if netns_mode == "exclusive":
        return (
            f"{module} is loaded, but the HCA may be in another network namespace (exclusive)",
            "rdma system set netns shared",
        )
    return f"{driver} and {module} are loaded but made no HCA", _KERNEL_LOG
