"""PCI vendor ids, as sysfs writes them: four lowercase hex digits without 0x. Source: pci.ids."""

AMD = "1002"
HABANA = "1da3"
INTEL = "8086"
MELLANOX = "15b3"
NVIDIA = "10de"
QLOGIC = "1077"
