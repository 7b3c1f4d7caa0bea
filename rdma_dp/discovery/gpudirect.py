"""How the shared HCAs can reach the memory of the node's GPUs, for node labels.

Only what the loaded drivers show for certain. The doctor judges each pair of a GPU and an HCA with
more: options of the kernel, BARs and the PCIe topology.
"""

from collections.abc import Iterable, Iterator, Mapping

from rdma_dp.discovery.unused_functions import module_of
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
    return frozenset(_interfaces(host, {hca.name: module_of(hca) for hca in hcas}))


def is_vendors(host: Host, module: str) -> bool | None:
    """Whether a module is not that of the kernel; None if that is not known."""
    taint = host.read_or_none(f"{MODULES}/{module}/taint") if module else None
    # O: not from the kernel's tree (kernel Documentation/admin-guide/tainted-kernels.rst).
    return None if taint is None else "O" in taint


def _interfaces(host: Host, module_of_hca: Mapping[str, str]) -> Iterator[str]:
    nvidia, modules = _has_nvidia_gpu(host), frozenset(module_of_hca.values())
    efa = [name for name, module in module_of_hca.items() if module == "efa"]
    if modules & PEER_CLIENTS and ((nvidia and _loaded(host, *NVIDIA_PEERS)) or _amd_is_peer(host)):
        yield PEER_MEMORY
    if nvidia and efa and (_loaded(host, EFA_PEER) or any(_efa_is_peer(host, n) for n in efa)):
        yield PEER_MEMORY
    if nvidia and any(_registers_dmabuf(host, module) for module in modules):
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


def _efa_is_peer(host: Host, hca: str) -> bool:
    """Whether EFA's driver has found the peer memory of NVIDIA."""
    return "NVIDIA" in (host.read_or_none(f"{CLASS_INFINIBAND}/{hca}/device/p2p") or "")


def _registers_dmabuf(host: Host, module: str) -> bool:
    """Whether both drivers do, and the RDMA core. The proprietary module of NVIDIA does not."""
    version = linux_version(host.read_or_none(KERNEL_RELEASE))
    if module not in DMABUF_SINCE or version is None or version < FIRST_WITH_DMABUF:
        return False
    opens = OPEN_MODULE in (host.read_or_none(NVIDIA_VERSION) or "")
    return opens and (version >= DMABUF_SINCE[module] or bool(is_vendors(host, module)))
