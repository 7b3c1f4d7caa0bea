"""Paths below /sys, /proc and /dev that several modules read, relative to the root."""

CLASS_INFINIBAND = "sys/class/infiniband"
CLASS_VERBS = "sys/class/infiniband_verbs"
CLASS_MAD = "sys/class/infiniband_mad"
CLASS_HFI1 = "sys/class/hfi1_user"
CLASS_IPATH = "sys/class/ipath"
CLASS_NET = "sys/class/net"
RDMA_CM = "sys/class/misc/rdma_cm"
PCI_DEVICES = "sys/bus/pci/devices"
PCI_DRIVERS = "sys/bus/pci/drivers"
AUXILIARY_DEVICES = "sys/bus/auxiliary/devices"
IOMMU_GROUPS = "sys/kernel/iommu_groups"

# Where GPU drivers register with ib_core. The path depends on the vendor and the age of ib_core.
MEMORY_PEERS = ("sys/kernel/mm/memory_peers", "sys/kernel/memory_peers", "sys/memory_peers")
ONLINE_NODES = "sys/devices/system/node/online"
CPU_NODES = "sys/devices/system/node/has_cpu"
ARM_CPU = "sys/devices/system/cpu/cpu0/regs/identification/midr_el1"
MODULES = "sys/module"
NETNS_MODE = "sys/module/ib_core/parameters/netns_mode"
CPUS = "proc/cpuinfo"
DMI = "sys/class/dmi/id"
KERNEL_RELEASE = "proc/sys/kernel/osrelease"
NVIDIA_VERSION = "proc/driver/nvidia/version"
NVIDIA_GPUS = "proc/driver/nvidia/gpus"
RDMA_CM_SETTINGS = "sys/kernel/config/rdma_cm"  # configfs: one directory per HCA, if created
DEV = "dev"
DEV_INFINIBAND = "dev/infiniband"
