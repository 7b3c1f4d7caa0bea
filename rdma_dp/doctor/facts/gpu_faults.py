"""What keeps every HCA from the memory of a GPU: its model, its driver or its BAR. Pure."""

from rdma_dp.doctor.check import Finding, unknown, warn
from rdma_dp.doctor.facts.gpu_memory import GpuFacts, NodeFacts
from rdma_dp.inventory.pci_ids import AMD, NVIDIA

# The drivers of GPUs that a module of that name brings.
_DRIVERS = {NVIDIA: "nvidia", AMD: "amdgpu"}
_SMALL_WINDOW = 256 * 1024 * 1024  # BAR1 of a GPU whose firmware has no large BAR


def fault_of_gpu(gpu: GpuFacts, node: NodeFacts) -> Finding | None:
    """What keeps every HCA from the memory of a GPU; None if nothing does."""
    if gpu.lacks_gpudirect:
        return warn(
            f"{gpu.model} has no GPUDirect RDMA: HCAs cannot register its memory",
            "NCCL_NET_GDR_LEVEL=LOC in the pods, so that NCCL does not try",
            subject=gpu.name,
        )
    return _fault_of_driver(gpu, node) or _fault_of_window(gpu)


def _fault_of_driver(gpu: GpuFacts, node: NodeFacts) -> Finding | None:
    expected = _DRIVERS.get(gpu.vendor)
    if gpu.vendor == NVIDIA and gpu.driver not in (None, expected):
        evidence = f"its driver {gpu.driver} shares no memory with HCAs"
        return warn(evidence, f"modprobe -r {gpu.driver}; modprobe {expected}", subject=gpu.name)
    if gpu.driver is not None and gpu.vendor != NVIDIA:
        return None
    if node.loaded is None:
        return unknown("there is no /sys/module")
    if expected is not None and expected not in node.loaded:
        return warn(f"the GPUs have no driver: {expected} is not loaded", f"modprobe {expected}")
    if gpu.driver is None:
        return unknown("no driver is shown for it", subject=gpu.name)
    return None


def _fault_of_window(gpu: GpuFacts) -> Finding | None:
    if gpu.window is None or gpu.is_of_grace:
        return None
    if gpu.memory is None:
        small = gpu.vendor == NVIDIA and gpu.window <= _SMALL_WINDOW
        of_all = ""
    else:
        small = gpu.window < gpu.memory
        of_all = f" of its {gpu.memory >> 20} MiB"
    if not small:
        return None
    return warn(
        f"HCAs reach only {gpu.window >> 20} MiB{of_all}: its BAR is small",
        "enable Above 4G Decoding and Resizable BAR in the BIOS",
        subject=gpu.name,
    )
