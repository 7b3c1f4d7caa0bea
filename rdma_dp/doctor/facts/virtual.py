"""Whether a node is a virtual machine, whose PCIe tree is not that of the hardware."""

import re

from rdma_dp.doctor.check import Finding, unknown
from rdma_dp.host.paths import CPUS
from rdma_dp.node.view import NodeView

# Vendors of bridges that hypervisors emulate: QEMU's own, the Texas Instruments switch that QEMU
# imitates (hw/pci-bridge/xio3130_upstream.c), VMware and Hyper-V.
_EMULATED = frozenset({"1b36", "104c", "15ad", "1414"})

# NCCL reads the real tree from this file (NCCL user guide, "Environment Variables").
TOPOLOGY_FILE = "NCCL_TOPO_FILE=FILE in the pod's env: the provider's file of the real PCIe tree"


def is_virtual(node: NodeView) -> bool:
    """Whether the PCIe tree is a hypervisor's. Real GPUs have a real port above them."""
    bare = any(not gpu.place.bridges for gpu in node.topology.gpus)
    emulated = any(vendor in _EMULATED for vendor in node.topology.bridges.values())
    flags = re.search(r"^flags\s*:(.*)$", node.host.read_or_none(CPUS) or "", re.MULTILINE)
    return bare or emulated or (flags is not None and "hypervisor" in flags[1].split())


def not_the_hardwares_tree() -> Finding:
    """The finding of a check that compares places in the tree."""
    return unknown(
        "a virtual machine, whose PCIe tree is not that of the hardware: NCCL needs NCCL_TOPO_FILE",
        TOPOLOGY_FILE,
    )
