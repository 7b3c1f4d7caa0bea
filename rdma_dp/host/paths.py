"""."""

CLASS_INFINIBAND = "sys/class/infiniband"


CLASS_VERBS = "sys/class/infiniband_verbs"


CLASS_MAD = "sys/class/infiniband_mad"


CLASS_NET = "sys/class/net"


RDMA_CM = "sys/class/misc/rdma_cm"


PCI_DEVICES = "sys/bus/pci/devices"


PCI_DRIVERS = "sys/bus/pci/drivers"


IOMMU_GROUPS = "sys/kernel/iommu_groups"


# Where drivers of GPUs register with ib_core; it depends on whose ib_core it is, and how old.
MEMORY_PEERS = ("sys/kernel/mm/memory_peers", "sys/kernel/memory_peers", "sys/memory_peers")


ONLINE_NODES = "sys/devices/system/node/online"


ARM_CPU = "sys/devices/system/cpu/cpu0/regs/identification/midr_el1"


MODULES = "sys/module"


NETNS_MODE = "sys/module/ib_core/parameters/netns_mode"


CPUS = "proc/cpuinfo"


KERNEL_RELEASE = "proc/sys/kernel/osrelease"


NVIDIA_VERSION = "proc/driver/nvidia/version"


NVIDIA_GPUS = "proc/driver/nvidia/gpus"


RDMA_CM_SETTINGS = "sys/kernel/config/rdma_cm"  # configfs; a directory per HCA, if somebody made it


DEV = "dev"
