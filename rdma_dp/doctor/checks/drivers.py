"""What an HCA needs before it exists: modules, drivers, firmware."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from rdma_dp.discovery.unused_functions import KERNEL_LOG, RDMA_MODULE_OF_DRIVER
from rdma_dp.doctor.check import Finding, Verdict, check, fail, ok, unknown, warn
from rdma_dp.host.paths import CLASS_INFINIBAND, CLASS_MAD, CLASS_VERBS, MODULES, RDMA_CM
from rdma_dp.inventory.hardware import FunctionType, Hca, UnusedFunction, natural_key
from rdma_dp.inventory.verdicts import UnusedCode
from rdma_dp.node.view import NodeView
from rdma_dp.sharing.without_hca import matching_functions
from rdma_dp.text import counted, some

_SHOWN = 4  # names in a line of evidence

# A module that is built into the kernel may have no directory in /sys/module, but makes these.
_MADE_BY = {
    "ib_core": CLASS_INFINIBAND,
    "ib_uverbs": CLASS_VERBS,
    "ib_umad": CLASS_MAD,
    "rdma_ucm": RDMA_CM,
}
_LINK_LAYERS = (None, "InfiniBand", "Ethernet")  # None: not shown
_NEEDED_FOR = {
    "ib_umad": "is not loaded: management tools such as ibstat and perfquery will fail",
    "rdma_ucm": "is not loaded: programs that connect through rdma_cm will fail",
}


@check(
    "hca-modules",
    "RDMA kernel modules",
    reads="/sys/module, and the directories that the modules make below /sys/class",
    remedies=("modprobe MODULE",),
)
def modules(node: NodeView) -> Iterator[Finding]:
    """Without ib_uverbs no program can use an HCA. Without the module of the vendor (mlx5_ib for
    mlx5_core) there is no HCA. Management tools need ib_umad, programs that connect through rdma_cm
    need rdma_ucm; other pods work without these two. AWS's EFA does not use them.

    If the RDMA module of a driver is not loaded, the check fails when no HCA of the node can be
    shared. Otherwise it warns, because servers have Ethernet ports that are not used for RDMA.
    """
    if not node.host.is_directory(MODULES):
        yield unknown("there is no /sys/module")
        return
    without_module = list(_drivers_without_module(node))
    works = any(hca.shareable for hca in node.inventory.hcas)
    for driver, module in dict.fromkeys(without_module):
        addresses = tuple(
            a for a, of in _by_driver(node.inventory.unused_functions) if of == driver
        )
        text = f"is not loaded, so {driver} made no HCA of {some(addresses, _SHOWN)}"
        judge = warn if works else fail
        yield judge(text, f"modprobe {module}", subject=module, code=UnusedCode.MODULE_NOT_LOADED)
    if not node.inventory.hcas:
        if not without_module:
            yield ok("the node has no HCA that needs them")
        return
    found = node.inventory.system.modules
    missing = [n for n in found if not _is_loaded(node, n) and _is_useful(node, n)]
    for name in missing:
        judge = warn if name in _NEEDED_FOR else fail
        yield judge(_NEEDED_FOR.get(name, "is not loaded"), f"modprobe {name}", subject=name)
    yield ok(f"loaded: {', '.join(name for name in found if _is_loaded(node, name))}")


def _is_useful(node: NodeView, module: str) -> bool:
    """Management and rdma_cm support InfiniBand and Ethernet ports (kernel include/rdma/ib_verbs.h,
    rdma_cap_ib_mad, rdma_cap_ib_cm, rdma_cap_iw_cm). Ports of EFA are neither. A config can switch
    management off.
    """
    if module == "ib_umad" and not node.management:
        return False
    ports = (port for hca in node.inventory.hcas for port in hca.ports)
    return module not in _NEEDED_FOR or any(p.link_layer in _LINK_LAYERS for p in ports)


def _is_loaded(node: NodeView, module: str) -> bool:
    if node.inventory.system.modules.get(module) or node.host.is_directory(f"{MODULES}/{module}"):
        return True
    made = _MADE_BY.get(module)
    if made is None:  # the module of a vendor, which makes HCAs
        return any(
            RDMA_MODULE_OF_DRIVER.get(function.driver or "") == module
            for hca in node.inventory.hcas
            for function in hca.functions
        )
    return node.host.is_directory(made)


def _by_driver(functions: Sequence[UnusedFunction]) -> list[tuple[str, str | None]]:
    return [(each.function.address, each.function.driver) for each in functions]


def _drivers_without_module(node: NodeView) -> Iterator[tuple[str, str]]:
    for _, driver in _by_driver(node.inventory.unused_functions):
        module = RDMA_MODULE_OF_DRIVER.get(driver or "")
        if driver and module and not _is_loaded(node, module):
            yield driver, module


@check(
    "hca-driver",
    "Network functions whose driver should have made an HCA",
    reads="/sys/bus/pci/devices/ADDRESS/driver",
    remedies=("modprobe DRIVER", "echo ADDRESS > /sys/bus/pci/drivers/DRIVER/bind", KERNEL_LOG),
)
def drivers(node: NodeView) -> Iterator[Finding]:
    """A function of an RDMA adapter without a driver, or with driver and module but without an HCA.
    A function without a driver is reported if a resource's selectors match it, or if there is no
    config. VFs may be reserved for a virtual machine.

    The check fails when the node has no HCA that can be shared, and warns otherwise. For functions
    that lack a module see hca-modules.
    """
    judge = warn if any(hca.shareable for hca in node.inventory.hcas) else fail
    others, selected = node.inventory.unused_functions, _selected(node)
    for each in others:
        address = each.function.address
        remedy = each.reason.remedy
        if remedy is None or each.reason.code is UnusedCode.MODULE_NOT_LOADED:
            continue
        if each.function.driver is None and selected is not None and address not in selected:
            continue
        yield judge(each.reason.text, remedy, subject=address, code=each.reason.code)
    functions = counted(len(others), "network function")
    yield ok(f"{counted(len(node.inventory.hcas), 'HCA')}; {functions} without one")


@check(
    "hca-vfio",
    "Functions that are passed to virtual machines or user space",
    reads="/sys/bus/pci/devices/ADDRESS/driver",
    remedies=("driverctl unset-override ADDRESS", "dpdk-devbind.py --bind=DRIVER ADDRESS"),
)
def vfio(node: NodeView) -> Iterator[Finding]:
    """A function on vfio-pci, or on a similar driver, has no HCA for pods. The check warns if a
    resource's selectors match the function, or if there is no config. On a node for virtual
    machines this is intended.
    """
    passed = [
        each
        for each in node.inventory.unused_functions
        if each.reason.code is UnusedCode.PASSED_THROUGH
    ]
    selected = _selected(node)
    for each in passed:
        if selected is None or each.function.address in selected:
            address = each.function.address
            yield warn(
                each.reason.text,
                f"driverctl unset-override {address}",
                subject=address,
                code=each.reason.code,
            )
    if passed:
        yield ok(f"passed on: {counted(len(passed), 'function')}, none that a resource selects")
    else:
        yield ok("no network function is passed on")


def _selected(node: NodeView) -> set[str] | None:
    """The addresses of functions without an HCA that a resource selects; None without a config."""
    if node.config.config is None:
        return None
    return {
        each.function.address
        for pool in node.pools
        for each in matching_functions(pool.resource.selector_sets, node.inventory)
    }


@check(
    "hca-firmware",
    "The same firmware on cards of one kind",
    reads="/sys/class/infiniband/HCA/fw_ver, board_id",
    remedies=("devlink dev info pci/ADDRESS", "mlxfwmanager --query", "dmesg | grep -i firmware"),
)
def firmware(node: NodeView) -> Iterator[Finding]:
    """A driver reports firmware that is too old only in the kernel log: `dmesg | grep -i firmware`.
    /sys shows the version. So the check compares cards of one kind (PCI id and board), and warns
    for those with older firmware than the newest on the node.
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
        yield unknown("no HCA on a PCI function shows its firmware", "dmesg | grep -i firmware")
    elif kinds:
        yield ok(
            f"{some(_distinct(versions), _SHOWN)}: one version for each kind of card; only"
            " dmesg shows the version that a driver needs"
        )


def _distinct(versions: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, versions.values())))


def _version(node: NodeView, hca: Hca) -> str:
    """The version from the kernel; "" for the zeros of drivers without one."""
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
