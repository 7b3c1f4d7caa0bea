"""Product names of HCAs and GPUs."""

from rdma_dp.inventory.hardware import Hca
from rdma_dp.inventory.pci_ids import (
    AMD,
    BAIDU,
    CAMBRICON,
    ENFLAME,
    GRAPHCORE,
    HABANA,
    HUAWEI,
    HYGON,
    ILUVATAR,
    INTEL,
    MELLANOX,
    METAX,
    MOORE_THREADS,
    NVIDIA,
)
from rdma_dp.inventory.topology import Gpu

# Device ids of vendor 15b3 (pci.ids). Several generations have the same id for their VFs.
_FAMILIES = {
    "1003": "ConnectX-3",
    "1007": "ConnectX-3 Pro",
    "1013": "ConnectX-4",
    "1015": "ConnectX-4 Lx",
    "1017": "ConnectX-5",
    "1019": "ConnectX-5 Ex",
    "101b": "ConnectX-6",
    "101c": "ConnectX-6 VF",
    "101d": "ConnectX-6 Dx",
    "101e": "ConnectX VF",
    "101f": "ConnectX-6 Lx",
    "1021": "ConnectX-7",
    "1023": "ConnectX-8",
    "1025": "ConnectX-9",
    "a2d6": "BlueField-2",
    "a2dc": "BlueField-3",
    "a2df": "BlueField-4",
}
_VENDORS = {
    NVIDIA: "NVIDIA",
    AMD: "AMD",
    BAIDU: "Baidu",
    CAMBRICON: "Cambricon",
    ENFLAME: "Enflame",
    GRAPHCORE: "Graphcore",
    HABANA: "Habana",
    HUAWEI: "Huawei",
    HYGON: "Hygon",
    ILUVATAR: "Iluvatar",
    INTEL: "Intel",
    METAX: "MetaX",
    MOORE_THREADS: "Moore Threads",
}


def device_name(device: Hca | Gpu) -> str:
    """The model or the product family; if unknown, vendor and device id ("15b3:101b")."""
    function = device.function
    if function is None:
        return "virtual"
    ids = f"{function.vendor or '?'}:{function.device or '?'}"
    if isinstance(device, Gpu):
        vendor = _VENDORS.get(function.vendor or "")
        return device.model or (f"{vendor} {function.device}" if vendor else ids)
    return _FAMILIES.get(function.device or "", ids) if function.vendor == MELLANOX else ids
