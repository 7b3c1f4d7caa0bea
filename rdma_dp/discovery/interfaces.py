"""Why an HCA has no network interface here, as far as the node shows it."""

from rdma_dp.discovery.ports import gid_netdev_names
from rdma_dp.discovery.sources import Sources
from rdma_dp.discovery.unused_functions import RDMA_MODULE_OF_DRIVER
from rdma_dp.host.paths import CLASS_NET, MODULES, PCI_DEVICES
from rdma_dp.inventory.hardware import Hca, PciFunction
from rdma_dp.inventory.verdicts import NoInterface, NoInterfaceCode

# The modules that make the interfaces of an HCA whose driver does not make them itself, by the
# HCA's driver (None: any) and the link layer (kernel drivers/infiniband/ulp/ipoib, mlx4/en_main.c).
_MODULES = {(None, "InfiniBand"): "ib_ipoib", ("mlx4_core", "Ethernet"): "mlx4_en"}

_A_POD = "; a pod can have it, from the host-device or SR-IOV CNI plugin"
_NO_HOST_NETWORK = (
    "no interface of the node is here: hostNetwork is missing in the pod of rdma-dp, or the node"
    " itself is a container"
)


def why_no_interface(sources: Sources, hca: Hca) -> NoInterface | None:
    """The reason; None if it has an interface, or if nothing shows why it has none.

    Raises HostError.
    """
    function = hca.function
    if hca.netdevs or function is None or not sources.host.is_directory(CLASS_NET):
        return None
    subfunction = hca.subfunction.name if hca.subfunction else None
    if sources.links.below(function.address, subfunction):
        return None  # it is that of another HCA on the function
    layers = {port.link_layer or "" for port in hca.ports}
    if _is_elsewhere(sources, hca, function):
        return _elsewhere(sources, "")
    module = _missing_module(sources, function, layers)
    if module is not None:
        return _without_module(module, any_physical=sources.links.any_physical)
    return _elsewhere(sources, "probably ") if _must_have_one(sources, function, layers) else None


def _without_module(module: str, *, any_physical: bool) -> NoInterface:
    """Without hostNetwork the interface that the module makes is not here either."""
    text = f"{module}, the module that makes the interface, is not loaded"
    if any_physical:
        return NoInterface(NoInterfaceCode.MODULE, text, f"modprobe {module}")
    code = NoInterfaceCode.NOT_HOST_NETNS
    return NoInterface(code, f"{_NO_HOST_NETWORK}. Besides, {text} (`modprobe {module}`)")


def _elsewhere(sources: Sources, surely: str) -> NoInterface:
    where = f"the interface is {surely}in another network namespace"
    if sources.links.any_physical:
        return NoInterface(NoInterfaceCode.OTHER_NETNS, where + _A_POD)
    return NoInterface(NoInterfaceCode.NOT_HOST_NETNS, f"{where}; {_NO_HOST_NETWORK}")


def _is_elsewhere(sources: Sources, hca: Hca, function: PciFunction) -> bool:
    """Whether the node shows an interface of the HCA that is not here.

    sysfs hides the netdevs of other network namespaces, but not the directory "net" that they are
    in (kernel drivers/base/core.c, get_device_parent), nor their names in the GID tables (kernel
    drivers/infiniband/core/sysfs.c, print_ndev).
    """
    below = f"/{hca.subfunction.name}" if hca.subfunction else ""
    if sources.host.is_directory(f"{PCI_DEVICES}/{function.address}{below}/net"):
        return True
    return any(
        next(gid_netdev_names(sources.host, hca.name, port.number), None) is not None
        for port in hca.ports
        if port.link_layer == "Ethernet"
    )


def _missing_module(sources: Sources, function: PciFunction, layers: set[str]) -> str | None:
    if not sources.host.is_directory(MODULES):
        return None
    wanted = [
        module
        for (driver, layer), module in _MODULES.items()
        if driver in (None, function.driver) and layer in layers
    ]
    return next((m for m in wanted if not sources.host.is_directory(f"{MODULES}/{m}")), None)


def _must_have_one(sources: Sources, function: PciFunction, layers: set[str]) -> bool:
    """Whether such an HCA always has an interface: the driver, or ib_ipoib, makes one by itself."""
    if "Ethernet" in layers and function.driver in RDMA_MODULE_OF_DRIVER:
        return True
    return "InfiniBand" in layers and sources.host.is_directory(f"{MODULES}/ib_ipoib")
