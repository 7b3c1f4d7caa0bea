"""Judges one pair of a GPU and an HCA: does the HCA reach the memory of the GPU? Pure.

Each pair has one finding, with the cause that comes first: the GPU, then the HCA's driver, then the
driver of the GPU, then the kernel. So pairs with the same cause have the same finding.
"""

from collections.abc import Callable

from rdma_dp.doctor.check import Finding, Verdict, ok, unknown, warn
from rdma_dp.doctor.facts.gpu_faults import fault_of_gpu
from rdma_dp.doctor.facts.gpu_memory import (
    NVIDIA_PEER_MEMORY,
    GpuFacts,
    HcaFacts,
    NodeFacts,
)
from rdma_dp.doctor.facts.kernel_config import (
    MOVE_NOTIFY,
    ON_DEMAND_PAGING,
    P2PDMA,
    Kernel,
)
from rdma_dp.host.paths import KERNEL_RELEASE, NVIDIA_VERSION
from rdma_dp.inventory.gpudirect_support import (
    DMABUF_SINCE,
    EFA_PEER,
    FIRST_WITH_DMABUF,
    NVIDIA_PEERS,
    PEER_CLIENTS,
)
from rdma_dp.inventory.pci_ids import AMD, NVIDIA
from rdma_dp.text import some

_WITHOUT_DMABUF = frozenset(
    {"ib_mthca", "ib_qib", "iw_cxgb4", "mlx4_ib", "ocrdma", "qedr", "usnic_verbs", "vmw_pvrdma"}
)
_PEER_CORE = "install DOCA-OFED, whose RDMA core has peer memory; then modprobe nvidia-peermem"
# It is for the open module only (README of amzn-drivers, kernel/linux/efa_nv_peermem).
_EFA_PEER_STEP = f"or modprobe {EFA_PEER} in place of a newer Linux: AWS's EFA installer has it"
_OPEN_MODULE = "install NVIDIA's open kernel module"
_PROPRIETARY = "the kernel module is the proprietary one"
_NEWER_MELLANOX = "use an HCA of mlx5 (ConnectX-4 or newer)"

# The build options without which a GPU's driver shares no memory with other devices by DMA-BUF
# (kernel drivers/gpu/drm and drivers/accel: pci_p2pdma_distance; for amdgpu RCCL asks for both).
_OPTIONS = {
    "amdgpu": (P2PDMA, MOVE_NOTIFY),
    "habanalabs": (P2PDMA,),
    "i915": (P2PDMA,),
    "xe": (P2PDMA,),
}
_SHOW_OPTIONS = (
    f"grep -E 'CONFIG_({P2PDMA}|{MOVE_NOTIFY})='"
    " /boot/config-$(uname -r) /lib/modules/$(uname -r)/config"
)
OLD_NCCL = "NCCL up to 2.22.3 does not find it: there is no /sys/kernel/mm/memory_peers/nv_mem"


def judge(gpu: GpuFacts, hca: HcaFacts, node: NodeFacts) -> Finding:
    """The one finding of a pair."""
    fault = fault_of_gpu(gpu, node)
    if fault is not None:
        return fault
    found = _by_peer_memory(gpu, hca, node) or _by_dmabuf(gpu, hca, node)
    if found.verdict is Verdict.OK and gpu.vendor == NVIDIA and gpu.model is None:
        return unknown(
            "its model is not known, and some models have no GPUDirect RDMA",
            "nvidia-smi -L",
            subject=gpu.name,
        )
    return found


# --- peer memory --------------------------------------------------------------------------------


def _by_peer_memory(gpu: GpuFacts, hca: HcaFacts, node: NodeFacts) -> Finding | None:
    """OK if the HCA's driver reaches the GPU without DMA-BUF."""
    if hca.module == "efa":
        return _by_efa(gpu, hca, node)
    if hca.module not in PEER_CLIENTS:
        return None
    if gpu.vendor == NVIDIA:
        if node.nvidia_peer is None:
            return None
        seen = node.peers & NVIDIA_PEER_MEMORY or _by_dmabuf(gpu, hca, node).verdict is Verdict.OK
        return ok(f"{node.nvidia_peer} is loaded{'' if seen else f'; {OLD_NCCL}'}")
    others = tuple(sorted(node.peers - NVIDIA_PEER_MEMORY))
    names = tuple(name for name in others if gpu.vendor != AMD or name == "amdkfd")
    return ok(f"{some(names, 4)} is registered as peer memory") if names else None


def _by_efa(gpu: GpuFacts, hca: HcaFacts, node: NodeFacts) -> Finding | None:
    if gpu.vendor != NVIDIA:
        return None
    if "NVIDIA" in (hca.p2p or ""):
        return ok(f"peer memory of the HCA's driver efa (device/p2p: {hca.p2p})")
    return ok(f"{EFA_PEER} is loaded") if EFA_PEER in (node.loaded or ()) else None


def _unused_peer(gpu: GpuFacts, hca: HcaFacts, node: NodeFacts) -> str | None:
    """A peer memory that is there, but that the HCA's driver is not known to use."""
    if hca.module in PEER_CLIENTS | _WITHOUT_DMABUF | {"efa"}:
        return None
    if gpu.vendor == NVIDIA:
        return node.nvidia_peer
    return "amdkfd" if gpu.vendor == AMD and "amdkfd" in node.peers else None


# --- DMA-BUF ------------------------------------------------------------------------------------

_Step = Callable[[GpuFacts, HcaFacts, NodeFacts], Finding | None]


def _by_dmabuf(gpu: GpuFacts, hca: HcaFacts, node: NodeFacts) -> Finding:
    """The first step that fails, or OK."""
    steps: tuple[_Step, ...] = (_hca_driver, _gpu_driver, _core, _options, _hca_version)
    found = next((fault for step in steps if (fault := step(gpu, hca, node))), None)
    if found is None:
        return ok(f"DMA-BUF: {_exporter(gpu)}, Linux {node.kernel.release}{_source(gpu, node)}")
    peer = _unused_peer(gpu, hca, node)
    if found.verdict is Verdict.WARN and peer is not None:
        return unknown(
            f"{peer} is there, but whether {hca.module} uses it is not known; {found.evidence}",
            subject=hca.name,
        )
    return found


def _exporter(gpu: GpuFacts) -> str:
    return "open kernel module" if gpu.vendor == NVIDIA else gpu.driver or ""


def _source(gpu: GpuFacts, node: NodeFacts) -> str:
    return f", options in {node.kernel.source}" if gpu.driver in _OPTIONS else ""


def _hca_driver(gpu: GpuFacts, hca: HcaFacts, node: NodeFacts) -> Finding | None:
    module = hca.module
    if module in node.kernel.dmabuf_modules or module in DMABUF_SINCE:
        return None
    if module not in _WITHOUT_DMABUF:
        evidence = f"whether its driver {module or '(none)'} reaches GPU memory is not known here"
        return unknown(evidence, subject=hca.name)
    evidence = f"{module} cannot register DMA-BUF memory"
    if module in PEER_CLIENTS and gpu.vendor == NVIDIA:
        evidence = f"{evidence}, and nvidia_peermem is not loaded"
        if node.kernel.has_peer_memory:
            return warn(evidence, "modprobe nvidia-peermem", subject=hca.name)
    remedy = (_NEWER_MELLANOX,) if module == "mlx4_ib" else ()
    return warn(evidence, *remedy, subject=hca.name)


def _gpu_driver(gpu: GpuFacts, hca: HcaFacts, node: NodeFacts) -> Finding | None:
    if gpu.vendor != NVIDIA:
        if gpu.driver in _OPTIONS:
            return None
        evidence = f"whether its driver {gpu.driver} shares memory with HCAs is not known here"
        return unknown(evidence, subject=gpu.name)
    if node.nvidia_open:
        return None
    if node.nvidia_open is None:
        return _not_read(gpu, hca, NVIDIA_VERSION)
    if gpu.is_before_turing:
        lack = f"{_PROPRIETARY}, and the open one needs a GPU of Turing or newer"
        if hca.module == "efa":
            lack = f"{lack}, as does {EFA_PEER}"
        return warn(_without(gpu, hca, lack), *_remedy(gpu, hca, node))
    # A kernel that has no DMA-BUF needs more than another module.
    if node.kernel.has_dmabuf is False:
        return _core(gpu, hca, node)
    return warn(_without(gpu, hca, _PROPRIETARY), *_remedy_for_dmabuf(gpu, hca, node))


def _core(gpu: GpuFacts, hca: HcaFacts, node: NodeFacts) -> Finding | None:
    kernel = node.kernel
    if kernel.has_dmabuf:
        return None
    if kernel.has_dmabuf is None and kernel.version is None:
        return _not_read(gpu, hca, KERNEL_RELEASE)
    if kernel.has_dmabuf is None:
        evidence = f"whether Linux {kernel.release} has DMA-BUF for RDMA is not known"
        return unknown(evidence, "grep ib_umem_dmabuf_get /proc/kallsyms")
    if gpu.vendor != NVIDIA:
        return warn(
            f"{gpu.driver} has no peer memory, and Linux {kernel.release} has no DMA-BUF for RDMA",
            *_remedy_for_dmabuf(gpu, hca, node),
        )
    lack = f"Linux {kernel.release} has none"
    if node.nvidia_open is False:
        lack = f"{lack}, and {_PROPRIETARY}"
    return warn(_without(gpu, hca, lack), *_remedy_for_dmabuf(gpu, hca, node))


def _options(gpu: GpuFacts, hca: HcaFacts, node: NodeFacts) -> Finding | None:
    kernel = node.kernel
    if hca.module == "mlx5_ib" and kernel.options.get(ON_DEMAND_PAGING) is False:
        lack = f"CONFIG_{ON_DEMAND_PAGING} is not set in {kernel.source}"
        boot = f"boot a kernel that was built with CONFIG_{ON_DEMAND_PAGING}"
        return warn(_without(gpu, hca, lack), *_remedy(gpu, hca, node, boot))
    needed = _OPTIONS.get(gpu.driver or "", ())
    unset = tuple(each for each in needed if kernel.options.get(each) is False)
    if unset:
        names = " and ".join(f"CONFIG_{each}" for each in unset)
        return warn(
            f"{gpu.driver} shares no memory with HCAs: {names} is not set in {kernel.source}",
            f"boot a kernel that was built with {names}",
        )
    if any(each not in kernel.options for each in needed):
        return unknown(f"DMA-BUF depends on build options: {_unread(kernel)}", _SHOW_OPTIONS)
    return None


def _unread(kernel: Kernel) -> str:
    if kernel.source is not None:
        return f"{kernel.source} does not name CONFIG_{MOVE_NOTIFY}"
    return "no config of this kernel is in /boot, /lib/modules or /proc, and no /proc/kallsyms"


def _hca_version(gpu: GpuFacts, hca: HcaFacts, node: NodeFacts) -> Finding | None:  # noqa: ARG001
    kernel, since = node.kernel, DMABUF_SINCE.get(hca.module, (0, 0))
    if hca.module in kernel.dmabuf_modules or hca.is_vendors:
        return None
    if kernel.version is not None and kernel.version >= since:
        return None
    return unknown(
        f"whether {hca.module} of Linux {kernel.release} registers DMA-BUF memory is not known:"
        f" that of kernel.org does from {since[0]}.{since[1]} on",
        "grep reg_user_mr_dmabuf /proc/kallsyms",
        subject=hca.name,
    )


# --- words --------------------------------------------------------------------------------------


def _peer_of(gpu: GpuFacts, hca: HcaFacts) -> str | None:
    """The module that could help an HCA without DMA-BUF."""
    if gpu.vendor != NVIDIA:
        return None
    return EFA_PEER if hca.module == "efa" else NVIDIA_PEERS[0] if _is_client(hca) else None


def _is_client(hca: HcaFacts) -> bool:
    return hca.module in PEER_CLIENTS


def _without(gpu: GpuFacts, hca: HcaFacts, lack: str) -> str:
    peer = _peer_of(gpu, hca)
    return f"{peer} is not loaded, and no DMA-BUF: {lack}" if peer else f"no DMA-BUF: {lack}"


def _remedy(
    gpu: GpuFacts, hca: HcaFacts, node: NodeFacts, other: str | None = None
) -> tuple[str, ...]:
    """Peer memory where that is easier, or else what gives DMA-BUF."""
    if gpu.vendor != NVIDIA or not _is_client(hca):
        return () if other is None else (other,)
    if node.kernel.has_peer_memory is not False:
        return ("modprobe nvidia-peermem",)
    return (_PEER_CORE,) if other is None else (other, f"or {_PEER_CORE}")


def _remedy_for_dmabuf(gpu: GpuFacts, hca: HcaFacts, node: NodeFacts) -> tuple[str, ...]:
    """Everything that is missing for DMA-BUF, or peer memory where the HCA's driver has it."""
    lacks_module = gpu.vendor == NVIDIA and node.nvidia_open is False
    linux = _newer_linux(hca, node.kernel)
    steps = (_OPEN_MODULE if lacks_module else None, linux)
    found = _remedy(gpu, hca, node, " and ".join(step for step in steps if step))
    by_efa = gpu.vendor == NVIDIA and hca.module == "efa" and linux
    return (*found, _EFA_PEER_STEP) if by_efa else found


def _newer_linux(hca: HcaFacts, kernel: Kernel) -> str | None:
    """The step to a Linux whose core and whose own driver of the HCA register DMA-BUF memory."""
    own = FIRST_WITH_DMABUF if hca.is_vendors else DMABUF_SINCE.get(hca.module, FIRST_WITH_DMABUF)
    since = max(own, FIRST_WITH_DMABUF)
    if kernel.has_dmabuf is not False:
        is_known = kernel.version is not None and not kernel.has_backports
        if not is_known or hca.module in kernel.dmabuf_modules or (kernel.version or own) >= since:
            return None
    return f"boot Linux {since[0]}.{since[1]} or newer"


def _not_read(gpu: GpuFacts, hca: HcaFacts, path: str) -> Finding:
    return unknown(_without(gpu, hca, f"whether there is any is not known without /{path}"))
