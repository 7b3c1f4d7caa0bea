"""Management functions of NVLink switches, which look like HCAs."""

from collections import Counter
from collections.abc import Iterator, Sequence

from rdma_dp.discovery.eligibility import may_manage_switch, read_vpd
from rdma_dp.doctor.check import Finding, check, ok, unknown, warn
from rdma_dp.host.files import Host, HostError
from rdma_dp.host.paths import PCI_DEVICES
from rdma_dp.inventory.hardware import Hca, PciFunction
from rdma_dp.inventory.pci_ids import MELLANOX, NVIDIA
from rdma_dp.inventory.verdicts import IneligibleCode, SuspicionCode
from rdma_dp.node.view import NodeView
from rdma_dp.text import some

_SHOWN = 4  # names in a line of evidence

_CONNECTX7 = "1021"
_FUNCTIONS = 4  # management functions of a board (Fabric Manager User Guide, fourth NVSwitches)
_SUBSYSTEM = (f"0x{MELLANOX}", "0x0087")  # of the ConnectX-7 on such boards

# GPUs of boards that have them: B100, B200, B300 (pci.ids). Older generations have lower ids, and
# their NVLink switches are PCI devices of their own.
_GPUS = {"2901": "B200", "29bc": "B100", "3182": "B300"}
_FIRST_BLACKWELL = 0x2900


@check(
    "hca-management",
    "No management function of an NVLink switch in a resource",
    reads="/sys/bus/pci/devices/ADDRESS/vpd, device, subsystem_device",
    remedies=("lspci -vv -s ADDRESS | grep SMDL",),
)
def management(node: NodeView) -> Iterator[Finding]:
    """On HGX and DGX boards from B200 on, four ConnectX-7 functions belong to the NVLink switches.
    Their VPD has SMDL=SW_MNG. rdma-dp puts them into no resource, so there is nothing to do.

    If the VPD of a function cannot be read, a resource may have such a function. The check warns if
    the read fails, and if there is no VPD on a board with such GPUs. It names the functions with
    the subsystem id 15b3:0087, else the four functions of one card, else all. Then run `lspci` as
    root. If it finds the mark, add `exclude: {pciAddresses: [...]}` to the resource's selectors.
    Without a VPD and without such GPUs it is unknown.
    """
    certain = tuple(hca.name for hca in node.inventory.hcas if _is_management(hca))
    doubted = [hca for hca in node.concerned if hca.suspicion is not None]
    for hca in doubted:
        if hca.suspicion is not None and hca.function is not None:
            yield _suspicious(hca.suspicion.text, hca, hca.function)
    candidates = tuple(_candidates(node))
    unread = [each for each in candidates if _has_no_vpd(node.host, each[1])]
    if len(certain) + len(doubted) >= _FUNCTIONS:
        unread = []  # these are all that a board has
    if unread and _has_other_gpus(node):
        yield ok("a board with the GPUs of this node has no such functions")
    elif unread:
        yield from _not_known(node, unread)
    elif candidates:
        left_out = f"not in any resource: {some(certain, _SHOWN)}"
        yield ok(left_out if certain else "no ConnectX-7 has the mark in its VPD")


def _is_management(hca: Hca) -> bool:
    ineligible = hca.ineligible
    return ineligible is not None and ineligible.code is IneligibleCode.NVLINK_SWITCH_MANAGEMENT


def _suspicious(evidence: str, hca: Hca, function: PciFunction) -> Finding:
    return warn(
        evidence,
        f"lspci -vv -s {function.address} | grep SMDL",
        subject=hca.name,
        code=SuspicionCode.MAYBE_NVLINK_SWITCH_MANAGEMENT,
    )


def _candidates(node: NodeView) -> Iterator[tuple[Hca, PciFunction]]:
    """The HCAs whose VPD shows whether they are management functions, each with its function."""
    for hca in node.inventory.hcas:
        function = hca.function
        if function is None or function.device != _CONNECTX7 or hca.subfunction is not None:
            continue
        if may_manage_switch(function):
            yield hca, function


def _has_no_vpd(host: Host, function: PciFunction) -> bool:
    try:
        return read_vpd(host, function) is None
    except HostError:  # then the HCA has a suspicion
        return False


def _has_other_gpus(node: NodeView) -> bool:
    """Whether all GPUs are of older generations, or of other makers."""
    gpus = [gpu.function for gpu in node.topology.gpus]
    newer = (each for each in gpus if int(each.device or "ffff", 16) >= _FIRST_BLACKWELL)
    return bool(gpus) and not any(each.vendor == NVIDIA for each in newer)


def _not_known(node: NodeView, unread: Sequence[tuple[Hca, PciFunction]]) -> Iterator[Finding]:
    gpus = (gpu.function for gpu in node.topology.gpus)
    boards = [_GPUS[gpu.device] for gpu in gpus if gpu.vendor == NVIDIA and gpu.device in _GPUS]
    concerned = {hca.name for hca in node.concerned}
    for hca, function in _likely(node.host, unread) if boards else ():
        if hca.name in concerned:
            text = (
                "it may be a management function of an NVLink switch, which a board with"
                f" {boards[0]} GPUs has: there is no VPD that shows it"
            )
            yield _suspicious(text, hca, function)
    names = tuple(hca.name for hca, _ in unread)
    yield unknown(f"there is no VPD of {some(names, _SHOWN)}: it would show such functions")


def _likely(
    host: Host, unread: Sequence[tuple[Hca, PciFunction]]
) -> Sequence[tuple[Hca, PciFunction]]:
    """Those with the subsystem id of such functions, else the four of one card, else all."""
    by_subsystem = [each for each in unread if _subsystem(host, each[1]) == _SUBSYSTEM]
    functions = Counter(_card(function) for _, function in unread)
    of_one_card = [each for each in unread if functions[_card(each[1])] == _FUNCTIONS]
    return by_subsystem or of_one_card or unread


def _subsystem(host: Host, function: PciFunction) -> tuple[str | None, str | None]:
    directory = f"{PCI_DEVICES}/{function.address}"
    return (
        host.read_or_none(f"{directory}/subsystem_vendor"),
        host.read_or_none(f"{directory}/subsystem_device"),
    )


def _card(function: PciFunction) -> str:
    return function.address.rpartition(".")[0]


CHECKS = (management,)
