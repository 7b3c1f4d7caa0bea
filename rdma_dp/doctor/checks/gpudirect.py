"""GPUDirect RDMA: can HCAs reach GPU memory, and is the path short? Needs a GPU on the node."""

from collections.abc import Iterator, Sequence

from rdma_dp.discovery.pcie_config import Acs
from rdma_dp.discovery.pcie_topology import read_acs, read_iommu
from rdma_dp.discovery.unused_functions import PASS_THROUGH_DRIVERS
from rdma_dp.doctor.check import Finding, Verdict, check, ok, unknown, warn
from rdma_dp.doctor.facts.gpu_memory import gpu_facts, hca_facts, node_facts
from rdma_dp.doctor.facts.gpu_reach import judge
from rdma_dp.doctor.facts.old_nccl import judge_for_old_nccl
from rdma_dp.doctor.facts.virtual import TOPOLOGY_FILE, is_virtual, not_the_hardwares_tree
from rdma_dp.host.files import Host
from rdma_dp.host.paths import ARM_CPU, IOMMU_GROUPS
from rdma_dp.inventory.hardware import Hca
from rdma_dp.inventory.pci_ids import NVIDIA
from rdma_dp.inventory.topology import DIRECT, Distance, Gpu, bridges_between
from rdma_dp.node.view import NodeView
from rdma_dp.text import some

_NAMED = 4  # HCAs or GPUs that one line of evidence names
_NEOVERSE_V2, _OF_NVIDIA = (0x41, 0xD4F), 0x4E  # the ids of an Arm core (MIDR_EL1)


@check(
    "gpu-peer-memory",
    "GPU memory for HCAs",
    reads="/proc/driver/nvidia, /sys/module, /sys/kernel/mm/memory_peers, sizes of BARs,"
    " device/p2p of EFA, /proc/sys/kernel/osrelease, the kernel's config (/proc/config.gz, /boot,"
    " /lib/modules, /usr/lib, /usr/src), /proc/kallsyms",
    remedies=(
        "modprobe nvidia-peermem",
        "modprobe nvidia",
        "modprobe amdgpu",
        "nvidia-smi -L",
        "use NCCL 2.23 or newer in the pods",
        "grep -E 'CONFIG_(PCI_P2PDMA|...)=' /boot/config-$(uname -r)",
        "grep reg_user_mr_dmabuf /proc/kallsyms",
    ),
)
def peer_memory(node: NodeView) -> Iterator[Finding]:
    """An HCA reaches GPU memory through DMA-BUF, or through a peer memory module. Without both,
    all traffic is copied through host memory: NCCL logs "GDR 0" and is several times slower. The
    check judges each pair of a GPU and an HCA. DMA-BUF needs Linux 5.12 or newer, a driver of the
    HCA that can register it (mlx5, efa, irdma, bnxt_re, mana and ionic can, mlx4 and qedr cannot),
    and a driver of the GPU that shares it: NVIDIA's open kernel module, or amdgpu on a kernel with
    CONFIG_PCI_P2PDMA and CONFIG_DMABUF_MOVE_NOTIFY. nvidia_peermem is for Mellanox HCAs,
    efa_nv_peermem for EFA. GeForce, TITAN and GB10 have no GPUDirect RDMA.

    NCCL up to 2.22.3 looks for peer memory in /sys/kernel/mm/memory_peers only, which a kernel
    without MLNX_OFED does not have. The check warns if the GPUs have no DMA-BUF either.
    """
    gpus = [gpu for gpu in _gpus(node) if gpu.function.driver not in PASS_THROUGH_DRIVERS]
    found: dict[Finding, None] = {}
    for gpu in gpus:
        judged = _judged(node, gpu, _hcas(node))
        if not node.pools and any(each.verdict is Verdict.OK for each in judged.values()):
            # Without a config, an HCA that is not meant for GPUs is no reason for a warning.
            judged = {name: each for name, each in judged.items() if each.subject != name}
        found |= dict.fromkeys(judged.values())
        found |= dict.fromkeys(_unseen_by_nccl(node, gpu, _hcas(node)))
    yield from found


def _judged(node: NodeView, gpu: Gpu, hcas: Sequence[Hca]) -> dict[str, Finding]:
    """Whether each HCA reaches the memory of the GPU, by the name of the HCA."""
    facts, side = node_facts(node.host), gpu_facts(node.host, gpu)
    return {hca.name: judge(side, hca_facts(node.host, hca), facts) for hca in hcas}


def _unseen_by_nccl(node: NodeView, gpu: Gpu, hcas: Sequence[Hca]) -> Iterator[Finding]:
    facts, side = node_facts(node.host), gpu_facts(node.host, gpu)
    for hca in hcas:
        finding = judge_for_old_nccl(side, hca_facts(node.host, hca), facts)
        if finding is not None:
            yield finding


@check(
    "gpu-affinity",
    "An HCA near every GPU",
    reads="the real paths below /sys/bus/pci/devices, numa_node, /proc/cpuinfo,"
    " /sys/class/dmi/id/{sys_vendor,product_name}",
    remedies=(
        "rdma-dp topo",
        "NCCL_NET_GDR_LEVEL=PHB in the pods",
        TOPOLOGY_FILE,
    ),
)
def affinity(node: NodeView) -> Iterator[Finding]:
    """NCCL lets an HCA reach a GPU directly over PCIe switches (PIX, PXB). By default it does not
    across the CPU: at PHB and NODE only with `NCCL_NET_GDR_LEVEL=PHB`, which is slower; between
    NUMA nodes (SYS) it is of no use. The check uses the HCAs of the config's resources, or all HCAs
    without a config. On a Grace PHB and NODE are normal: its own links and the Data Direct function
    of a ConnectX-8 connect what is distant in the PCIe tree.
    """
    gpus = _gpus(node)
    if gpus and is_virtual(node):
        yield not_the_hardwares_tree()
        return
    hcas = _hcas(node)
    near = [node.topology.nearest(gpu, hcas) for gpu in gpus]
    for gpu, (distance, nearest) in zip(gpus, near, strict=True):
        if distance is Distance.UNKNOWN:
            evidence = "behind another host bridge than every HCA, and no NUMA node is reported"
            yield unknown(evidence, subject=gpu.name)
        elif distance is not None and distance not in DIRECT:
            yield from _far(node, gpu, distance, nearest)
    if gpus:
        yield ok(f"GPUs by their nearest HCA: {_counted([each for each, _ in near])}")


def _far(node: NodeView, gpu: Gpu, distance: Distance, nearest: Sequence[Hca]) -> Iterator[Finding]:
    """The warning about a distance at which NCCL does not use GPUDirect RDMA by default."""
    names = some(tuple(hca.name for hca in nearest), _NAMED)
    evidence = f"no HCA is nearer than {distance}: {names}"
    by_nccl = f"{evidence}; NCCL uses GPUDirect RDMA up to PXB"
    is_nvidia = gpu.function.vendor == NVIDIA
    # What goes through host memory for another reason is no slower at PHB or NODE.
    verdicts = {each.verdict for each in _judged(node, gpu, nearest).values()}
    is_copied = verdicts == {Verdict.WARN}
    if distance is Distance.SYS:
        text = by_nccl if is_nvidia and not is_copied else evidence
        yield warn(text, "rdma-dp topo", subject=gpu.name)
    elif is_copied or _is_grace(node.host):
        return
    elif is_nvidia:
        level = "to use it here, set NCCL_NET_GDR_LEVEL=PHB in the pods"
        yield warn(by_nccl, "rdma-dp topo", level, subject=gpu.name)
    elif distance is Distance.NODE:
        yield warn(evidence, "rdma-dp topo", subject=gpu.name)


def _counted(distances: Sequence[Distance | None]) -> str:
    return ", ".join(f"{distances.count(d)} at {d}" for d in Distance if d in distances)


@check(
    "gpu-acs",
    "No redirection through the CPU between GPU and HCA (ACS)",
    reads="/sys/bus/pci/devices/BRIDGE/config, as root; /proc/cpuinfo,"
    " /sys/class/dmi/id/{sys_vendor,product_name}",
    remedies=("setpci -s BRIDGE ECAP_ACS+6.w=0000", TOPOLOGY_FILE),
)
def acs(node: NodeView) -> Iterator[Finding]:
    """With Access Control Services (ACS) a PCIe switch redirects the traffic between an HCA and a
    GPU below it to the CPU: that is slow, or does not work. Disable ACS in the BIOS; the effect of
    setpci ends with the next boot. A host that passes devices to virtual machines needs ACS. The
    check does not judge the emulated bridges of a virtual machine, and does not warn on a Grace,
    where a ConnectX-8 needs other settings: see NVIDIA's rdma_topo.
    """
    gpus = _gpus(node)
    if gpus and is_virtual(node):
        yield not_the_hardwares_tree()
        return
    bridges = _bridges(node)
    if gpus and not bridges:
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
