"""GPUDirect RDMA: can HCAs reach GPU memory, and is the path short? Needs a GPU on the node."""

import re
from collections.abc import Iterator, Sequence

from rdma_dp.discovery.pcie_config import Acs
from rdma_dp.discovery.pcie_topology import read_acs, read_iommu
from rdma_dp.doctor.check import Finding, check, ok, unknown, warn
from rdma_dp.doctor.facts.virtual import TOPOLOGY_FILE, is_virtual, not_the_hardwares_tree
from rdma_dp.host.files import Host
from rdma_dp.host.paths import (
    ARM_CPU,
    IOMMU_GROUPS,
    KERNEL_RELEASE,
    MEMORY_PEERS,
    MODULES,
    NVIDIA_VERSION,
)
from rdma_dp.inventory.hardware import Hca
from rdma_dp.inventory.pci_ids import AMD, NVIDIA
from rdma_dp.inventory.topology import DIRECT, Distance, Gpu, bridges_between
from rdma_dp.node.view import NodeView
from rdma_dp.text import some

# RDMA supports DMA-BUF memory from Linux 5.12 on (kernel drivers/infiniband/core/umem_dmabuf.c).
_FIRST_WITH_DMABUF = (5, 12)
_NAMED = 4  # HCAs or GPUs that one line of evidence names
_VFIO = "vfio-pci"  # the driver of a GPU that is passed to a virtual machine
_NEOVERSE_V2, _OF_NVIDIA = (0x41, 0xD4F), 0x4E  # the ids of an Arm core (MIDR_EL1)
_OPEN_MODULE = "Open Kernel Module"  # in NVIDIA_VERSION


@check(
    "gpu-peer-memory",
    "GPU memory for HCAs",
    reads="/sys/module/nvidia_peermem, /sys/kernel/mm/memory_peers, /proc/driver/nvidia/version,"
    " /proc/sys/kernel/osrelease",
    remedies=(
        "modprobe nvidia-peermem",
        "modprobe nvidia",
        "grep -E 'CONFIG_(PCI_P2PDMA|...)=' /boot/config-$(uname -r)",
    ),
)
def peer_memory(node: NodeView) -> Iterator[Finding]:
    """An HCA reaches GPU memory through DMA-BUF (NVIDIA's open kernel module on Linux 5.12 or
    newer) or through nvidia_peermem. Without both, all traffic is copied through host memory: NCCL
    logs "GDR 0" and is several times slower.
    """
    gpus = _gpus(node)
    vendors = {gpu.function.vendor for gpu in gpus if gpu.function.driver != _VFIO}
    if NVIDIA in vendors:
        yield _nvidia(node.host)
    if AMD in vendors:
        yield _amd(node.host)


def _nvidia(host: Host) -> Finding:
    for module in ("nvidia_peermem", "nv_peer_mem"):
        if host.is_directory(f"{MODULES}/{module}"):
            return ok(f"{module} is loaded")
    if not host.is_directory(MODULES):
        return unknown("there is no /sys/module")
    if not host.is_directory(f"{MODULES}/nvidia"):
        return warn("the GPUs have no driver: nvidia is not loaded", "modprobe nvidia")
    version, release = host.read(NVIDIA_VERSION), host.read(KERNEL_RELEASE)
    newer = _has_dmabuf(release)
    if version is None or newer is None:
        missing = NVIDIA_VERSION if version is None else KERNEL_RELEASE
        return unknown(
            f"nvidia_peermem is not loaded, and DMA-BUF support is not known: no /{missing}"
        )
    if _OPEN_MODULE in version and newer:
        return ok(f"DMA-BUF: open kernel module, Linux {release}")
    lack = f"Linux {release} has none" if not newer else "the kernel module is the proprietary one"
    return warn(f"nvidia_peermem is not loaded, and no DMA-BUF: {lack}", "modprobe nvidia-peermem")


def _amd(host: Host) -> Finding:
    if any(host.is_directory(f"{path}/amdkfd") for path in MEMORY_PEERS):
        return ok("amdkfd is registered as peer memory")
    release = host.read(KERNEL_RELEASE)
    newer = _has_dmabuf(release)
    if newer is False:
        return warn(f"amdgpu has no peer memory, and Linux {release} has no DMA-BUF for RDMA")
    return unknown(
        "DMA-BUF depends on the kernel's build options, which /sys does not show",
        "grep -E 'CONFIG_(PCI_P2PDMA|DMABUF_MOVE_NOTIFY|HSA_AMD_P2P)=' /boot/config-$(uname -r)",
    )


def _has_dmabuf(release: str | None) -> bool | None:
    found = re.match(r"(\d{1,6})\.(\d{1,6})", release or "", re.ASCII)
    return (int(found[1]), int(found[2])) >= _FIRST_WITH_DMABUF if found else None


@check(
    "gpu-affinity",
    "An HCA near every GPU",
    reads="the real paths below /sys/bus/pci/devices, numa_node",
    remedies=("rdma-dp topo", TOPOLOGY_FILE),
)
def affinity(node: NodeView) -> Iterator[Finding]:
    """NCCL lets an HCA reach a GPU directly over PCIe switches (PIX, PXB). A GPU whose nearest HCA
    is behind another host bridge (NODE) or NUMA node (SYS) has less bandwidth. The check uses the
    HCAs of the config's resources, or all HCAs without a config. On a Grace NODE is normal: its own
    links and the Data Direct function of a ConnectX-8 connect what is distant in the PCIe tree.
    """
    gpus = _gpus(node)
    if gpus and is_virtual(node):
        yield not_the_hardwares_tree()
        return
    hcas = _hcas(node)
    near = [node.topology.nearest(gpu, hcas) for gpu in gpus]
    normal_distance = frozenset({Distance.NODE} if _is_grace(node.host) else ())
    for gpu, (distance, nearest) in zip(gpus, near, strict=True):
        if distance is Distance.UNKNOWN:
            evidence = "behind another host bridge than every HCA, and no NUMA node is reported"
            yield unknown(evidence, subject=gpu.name)
        elif distance is not None and distance not in DIRECT | {Distance.PHB} | normal_distance:
            names = some(tuple(hca.name for hca in nearest), _NAMED)
            yield warn(
                f"no HCA is nearer than {distance}: {names}", "rdma-dp topo", subject=gpu.name
            )
    if gpus:
        yield ok(f"GPUs by their nearest HCA: {_counted([each for each, _ in near])}")


def _counted(distances: Sequence[Distance | None]) -> str:
    return ", ".join(f"{distances.count(d)} at {d}" for d in Distance if d in distances)


@check(
    "gpu-acs",
    "No redirection through the CPU between GPU and HCA (ACS)",
    reads="/sys/bus/pci/devices/BRIDGE/config, as root",
    remedies=("setpci -s BRIDGE ECAP_ACS+6.w=0000", TOPOLOGY_FILE),
)
def acs(node: NodeView) -> Iterator[Finding]:
    """With Access Control Services (ACS) a PCIe switch redirects the traffic between an HCA and a
    GPU below it to the CPU: that is slow, or does not work. Disable ACS in the BIOS; the effect of
    setpci ends with the next boot. Virtual machines with passed-through devices need ACS. The
    check does not warn on a Grace, where a ConnectX-8 needs other settings: see NVIDIA's rdma_topo.
    In a virtual machine it is unknown: the bridges there are emulated, and the real ones are set
    on the hypervisor.
    """
    if _gpus(node) and is_virtual(node):
        yield not_the_hardwares_tree()
        return
    bridges = _bridges(node)
    if _gpus(node) and not bridges:
        yield ok("no PCIe switch is between a GPU and an HCA")
    unseen = []
    for bridge in bridges:
        found = read_acs(node.host, bridge)
        if found is None:
            unseen.append(bridge)
        elif found.redirects:
            yield _redirects(node.host, bridge, found)
    if unseen:
        yield unknown(
            f"the extended configuration space of {some(tuple(unseen), _NAMED)} cannot be read",
            "run as root",
        )
    elif bridges:
        yield ok(f"off on the {len(bridges)} bridges between GPUs and HCAs")


def _redirects(host: Host, bridge: str, found: Acs) -> Finding:
    word = f"{found.control:#06x}"
    if _is_grace(host):
        return ok(f"{bridge} has control {word}; a Grace needs other settings")
    return warn(
        f"redirects peers' traffic to the CPU (control {word})",
        f"setpci -s {bridge} ECAP_ACS+6.w=0000",
        "and disable ACS in the BIOS: the next boot enables it again",
        subject=bridge,
    )


@check(
    "gpu-iommu",
    "The IOMMU does not translate for GPUs and HCAs",
    reads="/sys/bus/pci/devices/ADDRESS/iommu_group, /sys/kernel/iommu_groups/N/type",
    remedies=("iommu=pt", "iommu.passthrough=1"),
)
def iommu(node: NodeView) -> Iterator[Finding]:
    """GPUDirect RDMA needs the same addresses on both sides. An IOMMU that translates addresses
    (DMA, DMA-FQ) makes it slow or impossible; passthrough mode (identity) does not. The check does
    not warn on a Grace.
    """
    addresses = tuple(_addresses(node))
    if addresses and not node.host.is_directory(IOMMU_GROUPS):
        yield unknown(f"there is no /{IOMMU_GROUPS}")
        return
    types = {address: read_iommu(node.host, address) for address in addresses}
    translated = tuple(address for address in addresses if types[address] in ("DMA", "DMA-FQ"))
    if translated and _is_grace(node.host):
        yield ok(f"type {types[translated[0]]}, as a Grace runs by default")
    elif translated:
        parameter = _ARM_PASSTHROUGH if node.host.read_or_none(ARM_CPU) else _PASSTHROUGH
        yield warn(
            f"translates for {some(translated, 2)} (type {types[translated[0]]})",
            f"put `{parameter}` on the kernel's command line and reboot",
        )
    elif types:
        kinds = sorted({kind or "no IOMMU" for kind in types.values()})
        yield ok(f"GPUs and HCAs: {', '.join(kinds)}")


# For x86 and for Arm (kernel Documentation/admin-guide/kernel-parameters.txt).
_PASSTHROUGH, _ARM_PASSTHROUGH = "iommu=pt", "iommu.passthrough=1"


# --- shared by several checks --------------------------------------------------------------------


def _hcas(node: NodeView) -> tuple[Hca, ...]:
    """The HCAs of the config's resources; without a config all HCAs on PCI."""
    pooled = {hca.name: hca for pool in node.pools for hca in pool.hcas}
    return node.topology.measured(pooled.values() or node.inventory.hcas)


def _gpus(node: NodeView) -> tuple[Gpu, ...]:
    """The GPUs of a node that has an HCA."""
    return node.topology.gpus if _hcas(node) else ()


def _addresses(node: NodeView) -> Iterator[str]:
    """The addresses of the GPUs and HCAs of a node that has both."""
    gpus = _gpus(node)
    yield from (gpu.place.address for gpu in gpus)
    for hca in _hcas(node) if gpus else ():
        yield from (place.address for place in node.topology.hcas[hca.name])


def _bridges(node: NodeView) -> tuple[str, ...]:
    """The bridges that could redirect traffic between a GPU and its nearest HCAs, each once."""
    hcas = _hcas(node)
    found: dict[str, None] = {}
    for gpu in node.topology.gpus:
        distance, nearest = node.topology.nearest(gpu, hcas)
        if distance in DIRECT:
            places = (place for hca in nearest for place in node.topology.hcas[hca.name])
            for place in places:
                found |= dict.fromkeys(bridges_between(gpu.place, place))
    return tuple(found)


def _is_grace(host: Host) -> bool:
    """Whether the cores are Arm's Neoverse V2, or NVIDIA's own cores."""
    core = host.read_int_or_none(ARM_CPU, 16)
    if core is None:
        return False
    implementer, part = core >> 24 & 0xFF, core >> 4 & 0xFFF  # kernel arch/arm64 asm/cputype.h
    return (implementer, part) == _NEOVERSE_V2 or implementer == _OF_NVIDIA


CHECKS = (peer_memory, affinity, acs, iommu)
