"""PCI addresses and vendor ids as sysfs writes them. Source of the ids: pci.ids.

An address is domain:bus:device.function: "%04x:%02x:%02x.%d" (kernel drivers/pci/probe.c,
pci_setup_device). A device has five bits, a function three. A domain has more than four digits
behind VMD and on some hypervisors. An id has four lowercase hex digits.
"""

ADDRESS = r"(?:[0-9a-f]{4}|[1-9a-f][0-9a-f]{4,7}):[0-9a-f]{2}:[01][0-9a-f]\.[0-7]"

AMD = "1002"
BAIDU = "1d22"
CAMBRICON = "cabc"
ENFLAME = "1e36"
GRAPHCORE = "1d95"
HABANA = "1da3"
HUAWEI = "19e5"
HYGON = "1d94"
ILUVATAR = "1e3e"
INTEL = "8086"
MELLANOX = "15b3"
METAX = "9999"
MOORE_THREADS = "1ed5"
NVIDIA = "10de"
QLOGIC = "1077"
