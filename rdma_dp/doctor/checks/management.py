"""Management functions of NVLink switches, which look like HCAs."""

from collections.abc import Iterator

from rdma_dp.discovery.switch_boards import (
    FUNCTIONS_OF_A_BOARD,
    is_switch_function,
    switch_candidates,
    unread_candidates,
)
from rdma_dp.doctor.check import Finding, check, ok, unknown, warn
from rdma_dp.inventory.pci_ids import NVIDIA
from rdma_dp.node.view import NodeView
from rdma_dp.text import some

_SHOWN = 4  # names in a line of evidence
_FIRST_BLACKWELL = 0x2900  # device ids of NVIDIA; the boards of older GPUs have none (pci.ids)


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
    Without a VPD it is unknown on a node with other new GPUs of NVIDIA. It does not apply to a node
    without them.
    """
    certain = tuple(hca.name for hca in node.inventory.hcas if is_switch_function(hca))
    doubted = [hca for hca in node.concerned if hca.suspicion is not None]
    for hca in doubted:
        if hca.suspicion is not None and hca.function is not None:
            yield warn(
                hca.suspicion.text,
                f"lspci -vv -s {hca.function.address} | grep SMDL",
                subject=hca.name,
                code=hca.suspicion.code,
            )
    candidates = tuple(switch_candidates(node.inventory.hcas))
    unread = tuple(hca.name for hca, _ in unread_candidates(node.host, node.inventory.hcas))
    if doubted or len(certain) >= FUNCTIONS_OF_A_BOARD:
        unread = ()  # these are all that a board has
    if unread and not _has_newer_gpus(node):
        gpus = "a board with the GPUs of this node has no such functions"
        yield ok(gpus if node.topology.gpus else "without GPUs there is no NVLink switch")
    elif unread:
        yield unknown(
            f"there is no VPD of {some(unread, _SHOWN)}, which would show a management function of"
            " an NVLink switch"
        )
    elif candidates:
        left_out = f"not in any resource: {some(certain, _SHOWN)}"
        yield ok(left_out if certain else "no ConnectX-7 has the mark in its VPD")


def _has_newer_gpus(node: NodeView) -> bool:
    """Whether the node has a GPU of NVIDIA whose board can have such functions."""
    gpus = (gpu.function for gpu in node.topology.gpus if gpu.function.vendor == NVIDIA)
    return any(int(each.device or "ffff", 16) >= _FIRST_BLACKWELL for each in gpus)


CHECKS = (management,)
