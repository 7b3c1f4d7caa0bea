"""What decides whether an HCA reaches the memory of a GPU: facts of both, and of the node."""

import re
from dataclasses import dataclass

from rdma_dp.discovery.gpudirect import is_vendors
from rdma_dp.discovery.unused_functions import rdma_module
from rdma_dp.doctor.facts.kernel_config import Kernel, read_kernel
from rdma_dp.host.files import Host, HostError
from rdma_dp.host.paths import CLASS_INFINIBAND, MEMORY_PEERS, MODULES, NVIDIA_VERSION, PCI_DEVICES
from rdma_dp.inventory.gpudirect_support import (
    EFA_PEER,
    NVIDIA_PEERS,
    OPEN_MODULE,
    WITHOUT_GPUDIRECT,
)
from rdma_dp.inventory.hardware import Hca
from rdma_dp.inventory.topology import Gpu

# Their memory is reached over NVLink-C2C too, and not through a BAR alone.
_OF_GRACE = re.compile(r"\bG[BH][0-9]{3}\b")

# The names under which NVIDIA's modules are registered as peer memory.
NVIDIA_PEER_MEMORY = frozenset({"nv_mem", "nv_mem_nc", "nvidia-peermem"})

_FIRST_TURING = 0x1E00  # device ids of NVIDIA (pci.ids)
_BARS = 6  # of a function; a 64-bit BAR takes two (kernel include/uapi/linux/pci_regs.h)


@dataclass(frozen=True, slots=True)
class GpuFacts:
    """A GPU. `window` and `memory` are in bytes: what devices can reach of its memory, and all."""

    name: str
    vendor: str
    driver: str | None = None
    model: str | None = None
    device: str | None = None
    window: int | None = None
    memory: int | None = None

    @property
    def is_before_turing(self) -> bool:
        """Whether NVIDIA's open kernel module does not support it."""
        return int(self.device or "ffff", 16) < _FIRST_TURING

    @property
    def is_of_grace(self) -> bool:
        """Whether it is connected to the CPU by NVLink-C2C: GH200, GB200, GB300."""
        return bool(_OF_GRACE.search(self.model or ""))

    @property
    def lacks_gpudirect(self) -> bool:
        """Whether its model has no GPUDirect RDMA."""
        return bool(WITHOUT_GPUDIRECT.search(self.model or ""))


@dataclass(frozen=True, slots=True)
class HcaFacts:
    """An HCA, and the module that makes it. `p2p` is what EFA's driver has found for peer memory.

    `is_vendors` is whether the module is not that of the kernel; None if that is not known.
    """

    name: str
    module: str
    p2p: str | None = None
    is_vendors: bool | None = None


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """The node.

    `loaded` are the modules of GPUs and of peer memory that are loaded; None without /sys/module.
    `peers` are the drivers registered as peer memory. `nvidia_open` is whether NVIDIA's kernel
    module is the open one; None if that is not known.
    """

    kernel: Kernel
    loaded: frozenset[str] | None = frozenset()
    peers: frozenset[str] = frozenset()
    nvidia_open: bool | None = None

    @property
    def nvidia_peer(self) -> str | None:
        """The module that makes NVIDIA's memory peer memory of the RDMA core, if it is loaded."""
        return next((name for name in NVIDIA_PEERS if name in (self.loaded or ())), None)


def node_facts(host: Host) -> NodeFacts:
    """The facts of the node."""
    names = ("nvidia", "amdgpu", *NVIDIA_PEERS, EFA_PEER)
    loaded = frozenset(name for name in names if host.is_directory(f"{MODULES}/{name}"))
    version = host.read_or_none(NVIDIA_VERSION)
    return NodeFacts(
        read_kernel(host),
        loaded if host.is_directory(MODULES) else None,
        frozenset(name for path in MEMORY_PEERS for name in _entries(host, path)),
        None if version is None else OPEN_MODULE in version,
    )


def gpu_facts(host: Host, gpu: Gpu) -> GpuFacts:
    """The facts of a GPU."""
    path = f"{PCI_DEVICES}/{gpu.place.address}"
    window = host.read_int_or_none(f"{path}/mem_info_vis_vram_total")  # amdgpu
    return GpuFacts(
        gpu.name,
        gpu.function.vendor or "",
        gpu.function.driver,
        gpu.model,
        gpu.function.device,
        _largest_bar(host, path) if window is None else window,
        host.read_int_or_none(f"{path}/mem_info_vram_total"),
    )


def hca_facts(host: Host, hca: Hca) -> HcaFacts:
    """The facts of an HCA on a PCI function."""
    module = rdma_module(hca)
    p2p = host.read_or_none(f"{CLASS_INFINIBAND}/{hca.name}/device/p2p")
    return HcaFacts(hca.name, module, p2p, is_vendors(host, module))


def _entries(host: Host, path: str) -> tuple[str, ...]:
    try:
        return host.entries(path)
    except HostError:
        return ()


def _largest_bar(host: Host, path: str) -> int | None:
    """The size of the largest BAR, which of a GPU is the window to its memory; None if not shown.

    A line has the first and the last address and the flags (kernel drivers/pci/pci-sysfs.c,
    resource_show).
    """
    lines = (host.read_or_none(f"{path}/resource") or "").splitlines()[:_BARS]
    found = [re.match(r"0x([0-9a-f]{1,16}) 0x([0-9a-f]{1,16}) ", line) for line in lines]
    sizes = [int(match[2], 16) - int(match[1], 16) + 1 for match in found if match is not None]
    largest = max(sizes, default=1)
    return largest if largest > 1 else None
