"""What must be loaded and bound before there is an HCA at all: modules, drivers, firmware."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from rdma_dp.discovery.unused_functions import KERNEL_LOG, RDMA_MODULE_OF_DRIVER
from rdma_dp.doctor.check import Finding, Verdict, check, fail, ok, unknown, warn
from rdma_dp.host.paths import CLASS_INFINIBAND, CLASS_MAD, CLASS_VERBS, MODULES, RDMA_CM
from rdma_dp.inventory.hardware import FunctionType, Hca, UnusedFunction, natural_key
from rdma_dp.inventory.verdicts import UnusedCode
from rdma_dp.node.view import NodeView
from rdma_dp.sharing.advice import matching_functions
from rdma_dp.text import counted, some

_SHOWN = 4  # names in a line of evidence

# A module that is built into the kernel may have no directory in /sys/module: what it makes tells.
_MADE_BY = {
    "ib_core": CLASS_INFINIBAND,
    "ib_uverbs": CLASS_VERBS,
    "ib_umad": CLASS_MAD,
    "rdma_ucm": RDMA_CM,
}
_LINK_LAYERS = (None, "InfiniBand", "Ethernet")  # None: not told
_NEEDED_FOR = {
    "ib_umad": "is not loaded: management tools such as ibstat and perfquery will fail",
    "rdma_ucm": "is not loaded: programs that connect through rdma_cm will fail",
}


@check(
    "hca-modules",
    "RDMA kernel modules",
    reads="/sys/module, and what the modules make below /sys/class",
    remedies=("modprobe MODULE",),
)
def modules(node: NodeView) -> Iterator[Finding]:
    """Without ib_uverbs no program can use an HCA; without the vendor's module (mlx5_ib for
    mlx5_core) there is none. ib_umad is for management tools, rdma_ucm for programs that connect
    through rdma_cm: pods work without them, if they use neither. AWS's EFA has no use for them.

    A driver without its RDMA module fails the check when no HCA of the node can be shared. Beside
    HCAs that work it is a warning: servers have Ethernet ports whose RDMA nobody wants.
    """
    if not node.host.is_directory(MODULES):
        yield unknown("there is no /sys/module to look at")
        return
    lacking = list(_drivers_without_module(node))
    works = any(hca.shareable for hca in node.inventory.hcas)
    for driver, module in dict.fromkeys(lacking):
        addresses = tuple(
            a for a, of in _by_driver(node.inventory.unused_functions) if of == driver
        )
        text = f"is not loaded, so {driver} made no HCA of {some(addresses, _SHOWN)}"
        judge = warn if works else fail
        yield judge(text, f"modprobe {module}", subject=module, code=UnusedCode.MODULE_NOT_LOADED)
    if not node.inventory.hcas:
        if not lacking:
            yield ok("the node has no HCA that would need them")
        return
    found = node.inventory.system.modules
    missing = [name for name in found if not _there(node, name) and _of_use(node, name)]
    for name in missing:
        judge = warn if name in _NEEDED_FOR else fail
        yield judge(_NEEDED_FOR.get(name, "is not loaded"), f"modprobe {name}", subject=name)
    yield ok(f"loaded: {', '.join(name for name in found if _there(node, name))}")


def _of_use(node: NodeView, module: str) -> bool:
    """Management and rdma_cm know ports of InfiniBand and Ethernet (include/rdma/ib_verbs.h,
    rdma_cap_ib_mad, rdma_cap_ib_cm, rdma_cap_iw_cm); EFA's are neither.
    """
    ports = (port for hca in node.inventory.hcas for port in hca.ports)
    return module not in _NEEDED_FOR or any(p.link_layer in _LINK_LAYERS for p in ports)


def _there(node: NodeView, module: str) -> bool:
    if node.inventory.system.modules.get(module) or node.host.is_directory(f"{MODULES}/{module}"):
        return True
    made = _MADE_BY.get(module)
    if made is None:  # a vendor's: it has made the HCA that asks for it
        return any(
            RDMA_MODULE_OF_DRIVER.get(function.driver or "") == module
            for hca in node.inventory.hcas
            for function in hca.functions
        )
    return node.host.is_directory(made)


def _by_driver(others: Sequence[UnusedFunction]) -> list[tuple[str, str | None]]:
    return [(idle.function.address, idle.function.driver) for idle in others]


def _drivers_without_module(node: NodeView) -> Iterator[tuple[str, str]]:
    for _, driver in _by_driver(node.inventory.unused_functions):
        module = RDMA_MODULE_OF_DRIVER.get(driver or "")
        if driver and module and not _there(node, module):
            yield driver, module


@check(
    "hca-driver",
    "Network functions whose driver should have made an HCA",
    reads="/sys/bus/pci/devices/ADDRESS/driver",
    remedies=("modprobe DRIVER", "echo ADDRESS > /sys/bus/pci/drivers/DRIVER/bind", KERNEL_LOG),
)
def drivers(node: NodeView) -> Iterator[Finding]:
    """A function of an RDMA adapter without a driver, or whose driver and module are there and yet
    made no HCA. One without a driver counts where a resource's selectors mean it, and where there
    is no config that would tell: VFs may wait for a virtual machine.

    It fails when the node has no HCA at all and is a warning beside those that work. What a
    missing module keeps from having an HCA is told by hca-modules.
    """
    judge = warn if any(hca.shareable for hca in node.inventory.hcas) else fail
    others, meant = node.inventory.unused_functions, _meant(node)
    for idle in others:
        address = idle.function.address
        remedy = idle.reason.remedy
        if remedy is None or idle.reason.code is UnusedCode.MODULE_NOT_LOADED:
            continue
        if idle.function.driver is None and meant is not None and address not in meant:
            continue
        yield judge(idle.reason.text, remedy, subject=address, code=idle.reason.code)
    functions = counted(len(others), "network function")
    yield ok(f"{counted(len(node.inventory.hcas), 'HCA')}; {functions} without one")


@check(
    "hca-vfio",
    "Functions in the hands of a virtual machine or of user space",
    reads="/sys/bus/pci/devices/ADDRESS/driver",
    remedies=("driverctl unset-override ADDRESS", "dpdk-devbind.py --bind=DRIVER ADDRESS"),
)
def vfio(node: NodeView) -> Iterator[Finding]:
    """A function on vfio-pci, or on another driver that hands it on, has no HCA for pods. That is
    a warning where a resource's selectors mean it, and where there is no config that would tell:
    on a node with virtual machines it is the purpose.
    """
    handed_on = [
        idle
        for idle in node.inventory.unused_functions
        if idle.reason.code is UnusedCode.PASSED_THROUGH
    ]
    meant = _meant(node)
    for idle in handed_on:
        if meant is None or idle.function.address in meant:
            address = idle.function.address
            yield warn(
                idle.reason.text,
                f"driverctl unset-override {address}",
                subject=address,
                code=idle.reason.code,
            )
    if handed_on:
        yield ok(f"handed on: {counted(len(handed_on), 'function')}, none that a resource means")
    else:
        yield ok("no network function is handed on")


def _meant(node: NodeView) -> set[str] | None:
    """The addresses of functions without an HCA that a resource would take; None: no config."""
    if node.config.config is None:
        return None
    return {
        idle.function.address
        for pool in node.pools
        for idle in matching_functions(pool.resource.selectors, node.inventory)
    }


@check(
    "hca-firmware",
    "The same firmware on cards of one kind",
    reads="/sys/class/infiniband/HCA/fw_ver, board_id",
    remedies=("devlink dev info pci/ADDRESS", "mlxfwmanager --query", "dmesg | grep -i firmware"),
)
def firmware(node: NodeView) -> Iterator[Finding]:
    """A driver that finds its adapter's firmware too old says so in the kernel log only: `dmesg |
    grep -i firmware`. What /sys shows is the version, so cards of one kind (PCI id and board) are
    compared, and those that are behind the newest of the node are a warning.
    """
    versions = {hca.name: _version(node, hca) for hca in node.inventory.hcas}
    kinds: dict[tuple[str, ...], list[Hca]] = defaultdict(list)
    for hca in node.inventory.hcas:
        if versions[hca.name] and hca.function_type is FunctionType.PF and hca.function:
            board = node.host.read_or_none(f"{CLASS_INFINIBAND}/{hca.name}/board_id") or ""
            kinds[hca.function.vendor or "", hca.function.device or "", board].append(hca)
    for (vendor, device, _), hcas in kinds.items():
        yield from _behind(f"{vendor}:{device}", hcas, versions)
    if node.inventory.hcas and not kinds:
        yield unknown("no HCA on a PCI function tells its firmware", "dmesg | grep -i firmware")
    elif kinds:
        yield ok(
            f"{some(_distinct(versions), _SHOWN)}: one version for each kind of card; what a"
            " driver wants stands in dmesg only"
        )


def _distinct(versions: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, versions.values())))


def _version(node: NodeView, hca: Hca) -> str:
    """As the kernel tells it; "" for the zeros of drivers that have none."""
    text = node.host.read_or_none(f"{CLASS_INFINIBAND}/{hca.name}/fw_ver") or ""
    return text[:64].rstrip() if text.strip("0. ") else ""


def _behind(kind: str, hcas: Sequence[Hca], versions: Mapping[str, str]) -> Iterator[Finding]:
    newest = max((versions[hca.name] for hca in hcas), key=natural_key)
    for hca in hcas:
        version = versions[hca.name]
        if version != newest and hca.function is not None:
            address = hca.function.address
            yield Finding(
                Verdict.WARN,
                f"firmware {version}, others of the same kind ({kind}) have {newest}",
                (f"devlink dev info pci/{address}", "dmesg | grep -i firmware"),
                hca.name,
            )


CHECKS = (modules, drivers, vfio, firmware)
