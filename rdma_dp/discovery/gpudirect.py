"""How the shared HCAs can reach the memory of the node's GPUs, for node labels.

Only what the loaded drivers show for certain. The doctor judges each pair of a GPU and an HCA with
more: options of the kernel, BARs and the PCIe topology.
"""

from collections.abc import Iterable, Iterator

from rdma_dp.discovery.unused_functions import rdma_module
from rdma_dp.host.files import Host
from rdma_dp.host.paths import (
    CLASS_INFINIBAND,
    KERNEL_RELEASE,
    MEMORY_PEERS,
    MODULES,
    NVIDIA_GPUS,
    NVIDIA_VERSION,
)
from rdma_dp.inventory.gpudirect_support import (
    DMABUF_SINCE,
    EFA_PEER,
    FIRST_WITH_DMABUF,
    NVIDIA_PEERS,
    OPEN_MODULE,
    PEER_CLIENTS,
    WITHOUT_GPUDIRECT,
    linux_version,
)
from rdma_dp.inventory.hardware import Hca

PEER_MEMORY, DMABUF = "peer-memory", "dmabuf"


def interfaces_to_gpu_memory(host: Host, hcas: Iterable[Hca]) -> frozenset[str]:
    """PEER_MEMORY and DMABUF, if an HCA and a GPU have them. Raises HostError or OSError."""
    nvidia = _has_nvidia_gpu(host)
    return frozenset(each for hca in hcas for each in _interfaces(host, hca, nvidia))


def is_vendors(host: Host, module: str) -> bool | None:
    """Whether a module is not that of the kernel; None if that is not known."""
    taint = host.read_or_none(f"{MODULES}/{module}/taint") if module else None
    # O: not from the kernel's tree (kernel Documentation/admin-guide/tainted-kernels.rst).
    return None if taint is None else "O" in taint


def _interfaces(host: Host, hca: Hca, nvidia: bool) -> Iterator[str]:
    module = rdma_module(hca)
    if module in PEER_CLIENTS and ((nvidia and _loaded(host, *NVIDIA_PEERS)) or _amd_is_peer(host)):
        yield PEER_MEMORY
    if module == "efa" and nvidia:
        p2p = host.read_or_none(f"{CLASS_INFINIBAND}/{hca.name}/device/p2p") or ""
        if "NVIDIA" in p2p or _loaded(host, EFA_PEER):
            yield PEER_MEMORY
    if nvidia and module in DMABUF_SINCE and _registers_dmabuf(host, module):
        yield DMABUF


def _has_nvidia_gpu(host: Host) -> bool:
    """Whether a GPU has NVIDIA's driver, and a model with GPUDirect RDMA."""
    texts = (host.read_or_none(f"{NVIDIA_GPUS}/{each}/information") for each in _gpus(host))
    return any(text and not WITHOUT_GPUDIRECT.search(text) for text in texts)


def _gpus(host: Host) -> tuple[str, ...]:
    return host.entries(NVIDIA_GPUS) if host.is_directory(NVIDIA_GPUS) else ()


def _loaded(host: Host, *modules: str) -> bool:
    return any(host.is_directory(f"{MODULES}/{module}") for module in modules)


def _amd_is_peer(host: Host) -> bool:
    """Whether AMD's driver has registered its memory with the RDMA core."""
    return any(host.is_directory(path) and "amdkfd" in host.entries(path) for path in MEMORY_PEERS)


def _registers_dmabuf(host: Host, module: str) -> bool:
    """Whether both drivers do, and the RDMA core. The proprietary module of NVIDIA does not."""
    version = linux_version(host.read_or_none(KERNEL_RELEASE))
    if version is None or version < FIRST_WITH_DMABUF:
        return False
    opens = OPEN_MODULE in (host.read_or_none(NVIDIA_VERSION) or "")
    return opens and (is_vendors(host, module) is True or version >= DMABUF_SINCE[module])
