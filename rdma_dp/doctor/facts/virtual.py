"""Whether a node is a virtual machine, whose PCIe tree is not that of the hardware."""

import re

from rdma_dp.doctor.check import Finding, unknown
from rdma_dp.host.files import Host
from rdma_dp.host.paths import CPUS, DMI
from rdma_dp.node.view import NodeView

# Vendors of bridges that hypervisors emulate: QEMU's own, the Texas Instruments switch that QEMU
# imitates (hw/pci-bridge/xio3130_upstream.c), VMware and Hyper-V.
_EMULATED = frozenset({"1b36", "104c", "15ad", "1414"})

# Makers and products of virtual machines in the firmware's tables (DMI), as systemd-detect-virt
# knows them (systemd src/basic/virt.c). EC2's bare metal has the same maker.
_MAKERS = re.compile(
    r"(QEMU|KVM|KubeVirt|OpenStack|VMware|VMW|Xen|innotek GmbH|Parallels|BHYVE|Bochs"
    r"|Apple Virtualization|Amazon EC2)\b"
)
_PRODUCTS = re.compile(
    r"(KVM|QEMU|OpenStack|VirtualBox|VMware|Virtual Machine|Standard PC \(|HVM domU"
    r"|Google Compute Engine|KubeVirt|AHV)"
)
_BARE_METAL = re.compile(r"\.metal\b")

# NCCL reads the real tree from this file (NCCL user guide, "Environment Variables").
TOPOLOGY_FILE = "NCCL_TOPO_FILE=FILE in the pod's env: the provider's file of the real PCIe tree"


def is_virtual(node: NodeView) -> bool:
    """Whether the PCIe tree is a hypervisor's. Real GPUs have a real port above them."""
    bare = any(not gpu.place.bridges for gpu in node.topology.gpus)
    emulated = any(vendor in _EMULATED for vendor in node.topology.bridges.values())
    flags = re.search(r"^flags\s*:(.*)$", node.host.read_or_none(CPUS) or "", re.MULTILINE)
    by_cpu = flags is not None and "hypervisor" in flags[1].split()
    return bare or emulated or by_cpu or _is_virtual_by_firmware(node.host)


def _is_virtual_by_firmware(host: Host) -> bool:
    """Whether the firmware's tables name a hypervisor: the CPUs of Arm have no such flag."""
    maker, product = (host.read_or_none(f"{DMI}/{n}") or "" for n in ("sys_vendor", "product_name"))
    if _BARE_METAL.search(product):
        return False
    return _MAKERS.match(maker) is not None or _PRODUCTS.match(product) is not None


def not_the_hardwares_tree() -> Finding:
    """The finding of a check that compares places in the tree."""
    return unknown(
        "a virtual machine, whose PCIe tree is not that of the hardware: NCCL needs NCCL_TOPO_FILE",
        TOPOLOGY_FILE,
    )
