"""Network functions without an HCA, and the reason as far as the node shows it."""

from rdma_dp.discovery.auxiliary_devices import parameters_command, why_no_rdma
from rdma_dp.discovery.sources import Sources
from rdma_dp.host.files import HostError
from rdma_dp.host.paths import MODULES, PCI_DEVICES, PCI_DRIVERS
from rdma_dp.inventory.hardware import Hca, PciFunction, UnusedFunction
from rdma_dp.inventory.pci_ids import MELLANOX, QLOGIC
from rdma_dp.inventory.verdicts import Unused, UnusedCode

# The module that makes the HCAs for each Ethernet or core driver (kernel drivers/infiniband/hw).
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

# Drivers that make the HCA themselves: a bound function without an HCA is an error.
RDMA_DRIVERS = frozenset({"efa", "erdma", "hfi1", "ib_qib", "vmw_pvrdma"})

# Those of them whose HCA is in /sys/devices/virtual, like a virtual HCA.
_PARENTLESS_DRIVERS = frozenset({"erdma"})

# Drivers that pass a function to a virtual machine or to user space.
PASS_THROUGH_DRIVERS = frozenset(
    {"vfio-pci", "mlx5_vfio_pci", "pci-stub", "pciback", "uio_pci_generic", "igb_uio"}
)

# The driver for a function without one, by PCI vendor.
_DRIVER_OF_VENDOR = {MELLANOX: "mlx5_core", QLOGIC: "ib_qib"}
_MLX4_DEVICES = range(0x1002, 0x1011)  # ConnectX-2 to ConnectX-3 Pro (kernel mlx4/main.c)

KERNEL_LOG = "dmesg | grep -iE 'rdma|infiniband|mlx|irdma|bnxt'"


def rdma_module(hca: Hca) -> str:
    """The module that makes the HCA; "" if that is not known."""
    driver = (hca.function.driver if hca.function else None) or ""
    return RDMA_MODULE_OF_DRIVER.get(driver, driver)


def find_unused_functions(
    sources: Sources, hcas: tuple[Hca, ...], netns_mode: str | None
) -> tuple[UnusedFunction, ...]:
    """The network functions without an HCA, in the order of their addresses."""
    joined = {f.address: _joined_reason(hca) for hca in hcas for f in hca.functions[1:]}
    unplaced = [name for name, parent in sources.parents.items() if parent is None]
    return tuple(
        _unused_function(sources, address, joined.get(address), netns_mode, unplaced)
        for address in sources.functions.network(besides=sources.busy_addresses)
    )


def _unused_function(
    sources: Sources,
    address: str,
    joined: Unused | None,
    netns_mode: str | None,
    unplaced: list[str],
) -> UnusedFunction:
    netdevs = sources.links.names_below(address)
    try:
        function = sources.functions.at(address, f"{PCI_DEVICES}/{address}")
        if joined is not None:
            return UnusedFunction(function, netdevs, joined)
        return UnusedFunction(function, netdevs, _reason(sources, function, netns_mode, unplaced))
    except HostError as error:
        unreadable = Unused(UnusedCode.UNREADABLE, error.message, error.hint)
        return UnusedFunction(PciFunction(address), netdevs, unreadable)


def _joined_reason(hca: Hca) -> Unused:
    bonds = sorted({netdev.bond for netdev in hca.netdevs if netdev.bond})
    if bonds:
        text = f"its port is part of {hca.name}, the HCA of {', '.join(bonds)}"
        return Unused(UnusedCode.JOINED, text)
    return Unused(UnusedCode.JOINED, f"its port is one of the ports of {hca.name}")


def _reason(
    sources: Sources, function: PciFunction, netns_mode: str | None, unplaced: list[str]
) -> Unused:
    driver = function.driver
    if driver is None:
        return _without_driver(sources, function)
    if driver in PASS_THROUGH_DRIVERS:
        text = f"bound to {driver}: handed to a virtual machine or to user space"
        return Unused(UnusedCode.PASSED_THROUGH, text)
    if driver in _PARENTLESS_DRIVERS and unplaced:
        text = f"its HCA names no PCI function; it is among {', '.join(unplaced)}"
        return Unused(UnusedCode.HCA_WITHOUT_FUNCTION, text)
    if driver in RDMA_DRIVERS:
        text = f"driver {driver} is bound but made no HCA"
        return Unused(UnusedCode.MADE_NO_HCA, text, KERNEL_LOG)
    module = RDMA_MODULE_OF_DRIVER.get(driver)
    if module is None:
        text = f"driver {driver} is not known to support RDMA"
        return Unused(UnusedCode.DRIVER_WITHOUT_RDMA, text)
    if _is_part_of_multiport(sources, function):
        text = "its port is part of another function's HCA (multi-port RoCE)"
        return Unused(UnusedCode.MULTIPORT, text)
    without_rdma = why_no_rdma(sources.host, function)
    if without_rdma is not None:
        remedy = parameters_command(function)
        return Unused(UnusedCode.FUNCTION_WITHOUT_RDMA, without_rdma, remedy)
    return _without_rdma_module(sources, driver, module, netns_mode)


def _without_driver(sources: Sources, function: PciFunction) -> Unused:
    driver = _DRIVER_OF_VENDOR.get(function.vendor or "")
    if function.vendor == MELLANOX and int(function.device or "0", 16) in _MLX4_DEVICES:
        driver = "mlx4_core"
    if driver is None:
        remedy = None
    elif sources.host.is_directory(f"{PCI_DRIVERS}/{driver}"):  # already loaded
        remedy = f"echo {function.address} > /{PCI_DRIVERS}/{driver}/bind"
    else:
        remedy = f"modprobe {driver}"
    return Unused(UnusedCode.NO_DRIVER, "no driver is bound", remedy)


def _is_part_of_multiport(sources: Sources, function: PciFunction) -> bool:
    """Whether the function is the second one of an mlx5 HCA with two ports on two functions.

    Its auxiliary device is then mlx5_core.multiport.N instead of mlx5_core.rdma.N (kernel
    drivers/infiniband/hw/mlx5/main.c, mlx5r_mp_id_table).
    """
    names = sources.host.entries(f"{PCI_DEVICES}/{function.address}")
    return any(name.startswith("mlx5_core.multiport.") for name in names)


def _without_rdma_module(
    sources: Sources, driver: str, module: str, netns_mode: str | None
) -> Unused:
    if not sources.host.is_directory(MODULES):
        text = f"driver {driver} made no HCA; whether {module} is loaded cannot be seen here"
        return Unused(UnusedCode.MODULES_UNKNOWN, text)
    if not sources.host.is_directory(f"{MODULES}/{module}"):
        return Unused(
            UnusedCode.MODULE_NOT_LOADED,
            f"driver {driver} is bound, but its RDMA module {module} is not loaded",
            f"modprobe {module}",
        )
    if netns_mode == "exclusive":
        return Unused(
            UnusedCode.OTHER_NETNS,
            f"{module} is loaded, but the HCA may be in another network namespace (exclusive)",
            "rdma system set netns shared",
        )
    text = f"{driver} and {module} are loaded but made no HCA"
    return Unused(UnusedCode.MADE_NO_HCA, text, KERNEL_LOG)
