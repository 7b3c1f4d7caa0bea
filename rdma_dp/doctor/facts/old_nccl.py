"""GPUs whose memory HCAs reach, but only newer versions of NCCL see that. Pure."""

from rdma_dp.doctor.check import Finding, warn
from rdma_dp.doctor.facts.gpu_faults import fault_of_gpu
from rdma_dp.doctor.facts.gpu_memory import NVIDIA_PEER_MEMORY, GpuFacts, HcaFacts, NodeFacts
from rdma_dp.doctor.facts.gpu_reach import OLD_NCCL
from rdma_dp.inventory.gpudirect_support import PEER_CLIENTS
from rdma_dp.inventory.pci_ids import NVIDIA


def judge_for_old_nccl(gpu: GpuFacts, hca: HcaFacts, node: NodeFacts) -> Finding | None:
    """The warning of a pair that has peer memory only, which older versions of NCCL do not find.

    They look in /sys/kernel/mm/memory_peers only (NCCL src/transport/net_ib.cc, ncclIbGdrSupport),
    which MLNX_OFED's RDMA core makes. With NVIDIA's open module they use DMA-BUF.
    """
    if gpu.vendor != NVIDIA or hca.module not in PEER_CLIENTS or node.nvidia_peer is None:
        return None
    if node.nvidia_open is not False or node.peers & NVIDIA_PEER_MEMORY:
        return None
    if fault_of_gpu(gpu, node) is not None:
        return None
    return warn(
        f"{node.nvidia_peer} is loaded, but {OLD_NCCL}, and the proprietary kernel module has no"
        " DMA-BUF",
        "use NCCL 2.23 or newer in the pods",
    )
