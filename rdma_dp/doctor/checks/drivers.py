"""What an HCA needs before it exists: modules, drivers, firmware."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from rdma_dp.discovery.unused_functions import KERNEL_LOG, RDMA_MODULE_OF_DRIVER
from rdma_dp.doctor.check import Finding, Verdict, check, fail, ok, unknown, warn
from rdma_dp.doctor.facts.meant import meant_functions
from rdma_dp.host.paths import CLASS_INFINIBAND, CLASS_MAD, CLASS_VERBS, MODULES, RDMA_CM
from rdma_dp.inventory.hardware import FunctionType, Hca, UnusedFunction, natural_key
from rdma_dp.inventory.verdicts import IneligibleCode, UnusedCode
from rdma_dp.node.view import NodeView
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
    shared. Otherwise it warns. Only functions that a resource's selectors match are reported; all
    functions if there is no config. A function on which its driver offers no RDMA is not reported,
    because no module makes an HCA there: see hca-driver.
    """
    if not node.host.is_directory(MODULES):
        yield unknown("there is no /sys/module")
        return
    yield from _without_module(node)
    if not node.inventory.hcas:
        yield ok("the node has no HCA that needs them")
        return
    found = node.inventory.system.modules
    missing = [n for n in found if not _is_loaded(node, n) and _is_useful(node, n)]
    for name in missing:
        judge = warn if name in _NEEDED_FOR else fail
        code = IneligibleCode.UVERBS_NOT_LOADED if name == "ib_uverbs" else None
        text = _NEEDED_FOR.get(name, "is not loaded")
        yield judge(text, f"modprobe {name}", subject=name, code=code)
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


def _without_module(node: NodeView) -> Iterator[Finding]:
    judge = warn if any(hca.shareable for hca in node.inventory.hcas) else fail
    addresses: dict[tuple[str, str], list[str]] = defaultdict(list)
    for each in meant_functions(node):
        driver = each.function.driver or ""
        module = RDMA_MODULE_OF_DRIVER.get(driver, "")
        if each.reason.code is UnusedCode.MODULE_NOT_LOADED and not _is_loaded(node, module):
            addresses[driver, module].append(each.function.address)
    for (driver, module), found in addresses.items():
        text = f"is not loaded, so {driver} made no HCA of {some(tuple(found), _SHOWN)}"
        yield judge(text, f"modprobe {module}", subject=module, code=UnusedCode.MODULE_NOT_LOADED)


@check(
    "hca-driver",
    "Network functions whose driver should have made an HCA",
    reads="/sys/bus/pci/devices/ADDRESS/driver, /sys/bus/auxiliary/devices",
    remedies=(
        "modprobe DRIVER",
        "echo ADDRESS > /sys/bus/pci/drivers/DRIVER/bind",
        "devlink dev param show pci/ADDRESS",
        KERNEL_LOG,
    ),
)
def drivers(node: NodeView) -> Iterator[Finding]:
    """A function of an RDMA adapter without a driver, with driver and module but without an HCA, or
    with a driver that offers no RDMA on it. Only functions that a resource's selectors match are
    reported. If there is no config, all are, except those without RDMA. Servers have Ethernet ports
    that are not used for RDMA, and VFs may be reserved for a virtual machine.

    A driver that offers RDMA creates an auxiliary device for it, such as `ice.roce.0`. If there is
    none, the adapter has no RDMA (Intel X710), or RDMA is switched off: in the firmware of the
    adapter, or by a devlink parameter (`enable_rdma`, `enable_roce`, `enable_iwarp`).

    The check fails when the node has no HCA that can be shared, and warns otherwise. For functions
    that lack a module see hca-modules.
    """
    judge = warn if any(hca.shareable for hca in node.inventory.hcas) else fail
    for each in meant_functions(node):
        address, reason = each.function.address, each.reason
        if reason.code is UnusedCode.UNREADABLE:
            remedy = () if reason.remedy is None else (reason.remedy,)
            yield unknown(reason.text, *remedy, subject=address, code=reason.code)
        elif _is_faulty(node, each):
            told = (reason.text, reason.remedy or "")
            yield judge(*told, subject=address, code=reason.code, effect="no HCA")
    functions = counted(len(node.inventory.unused_functions), "network function")
    yield ok(f"{counted(len(node.inventory.hcas), 'HCA')}; {functions} without one")


def _is_faulty(node: NodeView, each: UnusedFunction) -> bool:
    """Whether it lacks its HCA, and a command helps. See hca-modules for a missing module."""
    code = each.reason.code
    if each.reason.remedy is None or code is UnusedCode.MODULE_NOT_LOADED:
        return False
    return code is not UnusedCode.FUNCTION_WITHOUT_RDMA or node.config.config is not None


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
    for each in filter(_is_passed_on, meant_functions(node)):
        address = each.function.address
        yield warn(
            each.reason.text,
            f"driverctl unset-override {address}",
            subject=address,
            code=each.reason.code,
        )
    passed = sum(map(_is_passed_on, node.inventory.unused_functions))
    if passed:
        yield ok(f"passed on: {counted(passed, 'function')}, none that a resource selects")
    else:
        yield ok("no network function is passed on")


def _is_passed_on(each: UnusedFunction) -> bool:
    return each.reason.code is UnusedCode.PASSED_THROUGH


@check(
    "hca-firmware",
    "The same firmware on cards of one kind",
    reads="/sys/class/infiniband/HCA/fw_ver, board_id",
    remedies=("devlink dev info pci/ADDRESS", "dmesg | grep -i firmware"),
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
    unread = tuple(hca.name for hca in node.inventory.hcas if _is_unread(node, hca))
    if node.inventory.hcas and not kinds:
        yield unknown("no HCA on a PCI function shows its firmware", "dmesg | grep -i firmware")
    elif unread:
        yield unknown(f"/{CLASS_INFINIBAND} has no fw_ver of {some(unread, _SHOWN)}")
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


def _is_unread(node: NodeView, hca: Hca) -> bool:
    """Whether the file is missing. Each driver has it, but some write zeros."""
    on_pci = hca.function_type is FunctionType.PF
    return on_pci and node.host.read_or_none(f"{CLASS_INFINIBAND}/{hca.name}/fw_ver") is None


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
