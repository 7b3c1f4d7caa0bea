"""Which drivers and models support GPUDirect RDMA: HCAs use the memory of GPUs directly. Pure.

Peer memory is an interface of MLNX_OFED's RDMA core, which some distributions have too. DMA-BUF is
that of the kernel.
"""

import re

# NVIDIA's documentation of GPUDirect RDMA names Tesla and Quadro; its answer 5780 DGX Spark (GB10).
WITHOUT_GPUDIRECT = re.compile(r"\b(GeForce|TITAN|GB10)\b", re.IGNORECASE)

# Modules that make the memory of NVIDIA's GPUs peer memory; the second is older.
NVIDIA_PEERS = ("nvidia_peermem", "nv_peer_mem")
EFA_PEER = "efa_nv_peermem"  # of the EFA installer, for EFA alone

# The modules of HCAs that use peer memory.
PEER_CLIENTS = frozenset({"mlx4_ib", "mlx5_ib"})

OPEN_MODULE = "Open Kernel Module"  # in /proc/driver/nvidia/version; the proprietary has no DMA-BUF

# RDMA supports DMA-BUF memory from Linux 5.12 on (kernel drivers/infiniband/core/umem_dmabuf.c).
FIRST_WITH_DMABUF = (5, 12)

# The first Linux whose own module registers DMA-BUF memory (kernel drivers/infiniband/hw,
# reg_user_mr_dmabuf). The module of the vendor does so on every kernel that can.
DMABUF_SINCE = {
    "mlx5_ib": (5, 12),
    "efa": (5, 16),
    "irdma": (6, 3),
    "bnxt_re": (6, 6),
    "mana_ib": (6, 15),
    "ionic_rdma": (5, 12),  # the kernel has it from 6.18 on; an older one has the vendor's
}


def linux_version(release: str | None) -> tuple[int, int] | None:
    """(6, 8) for "6.8.0-60-generic"; None if the release is not known."""
    found = re.match(r"(\d{1,6})\.(\d{1,6})", release or "", re.ASCII)
    return (int(found[1]), int(found[2])) if found else None
