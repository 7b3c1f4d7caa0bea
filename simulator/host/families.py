"""What a driver or device id implies: module, protocol, firmware, rate, auxiliary devices.

From Linux 6.12 (drivers/infiniband/hw/*, drivers/net/ethernet/*) and of pci.ids.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from simulator.host.manifest import Protocol


@dataclass(frozen=True, slots=True)
class DriverNode:
    """The character device that a driver makes of each unit, and the HCA's name before the unit.

    `others` are the nodes for all units together, with their minors.
    """

    subsystem: str
    prefix: str
    hca: str
    mode: int
    first_minor: int = 0
    others: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    def unit(self, name: str) -> int | None:
        """The unit of an HCA that has its first name."""
        number = name.removeprefix(self.hca)
        return int(number) if name.startswith(self.hca) and number.isdecimal() else None


@dataclass(frozen=True, slots=True)
class Family:
    """What the HCAs of one driver have in common.

    `module` creates the HCA. `auxiliary` is the auxiliary device that the network driver creates,
    and the driver that binds to it. None: the HCA's driver binds to the PCI function.
    `attributes` are files of the ibdev; "{mt}" is replaced by the PCI device id in decimal. `abi`
    is the version of the driver's uverbs ABI.
    """

    module: str
    protocol: Protocol
    firmware: str = "0.0.0"
    auxiliary: tuple[str, str] | None = None
    attributes: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    abi: int = 1
    driver_node: DriverNode | None = None


_MELLANOX = MappingProxyType({"hca_type": "MT{mt}", "hw_rev": "0", "board_id": "MT_000000{mt}"})

FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "mlx5_core": Family(
            "mlx5_ib", "roce", "28.41.1000", ("mlx5_core.rdma", "mlx5_ib.rdma"), _MELLANOX
        ),
        "mlx4_core": Family("mlx4_ib", "ib", "2.42.5000", None, _MELLANOX, abi=4),
        "ice": Family("irdma", "roce", "1.71", ("ice.roce", "irdma"), abi=5),
        "i40e": Family("irdma", "iw", "1.0", ("i40e.iwarp", "irdma.gen_1"), abi=5),
        "bnxt_en": Family(
            "bnxt_re",
            "roce",
            "229.2.47.0",
            ("bnxt_en.rdma", "bnxt_re.rdma"),
            {"hca_type": "Broadcom NetXtreme-C/E RoCE Driver HCA", "hw_rev": "0x14e4"},
        ),
        "mana": Family("mana_ib", "roce", "", ("mana.rdma", "mana_ib.rdma")),
        "efa": Family("efa", "efa", "0.0.0"),
        "hfi1": Family(
            "hfi1",
            "opa",
            "1.27.0",
            None,
            {"hw_rev": "11", "board_id": "HFI Adapter 100 Series"},
            abi=2,
            driver_node=DriverNode("hfi1_user", "hfi1_", "hfi1_", 0o666),
        ),
        "ib_qib": Family(
            "ib_qib",
            "ib",
            "",
            None,
            {"hca_type": "InfiniPath_QLE7342", "hw_rev": "2", "board_id": "InfiniPath_QLE7342"},
            abi=2,
            driver_node=DriverNode(
                "ipath", "ipath", "qib", 0o600, 1, {"ipath": 0, "ipath_diagpkt": 127}
            ),
        ),
        "erdma": Family("erdma", "iw", "1.0.0"),
        "rxe": Family("rdma_rxe", "roce", abi=2),
        "siw": Family("siw", "iw"),
    }
)

_DRIVERS: Mapping[str, str] = MappingProxyType(
    {
        "15b3:1003": "mlx4_core",
        "15b3:1004": "mlx4_core",
        "15b3:1007": "mlx4_core",
        "15b3:2100": "mlx5_ib",  # Data Direct: mlx5_ib has a PCI driver for it
        "15b3": "mlx5_core",
        "10de": "nvidia",
        "14e4": "bnxt_en",
        "8086:1592": "ice",
        "8086:159b": "ice",
        "8086:37d0": "i40e",
        "8086:24f0": "hfi1",
        "434e": "hfi1",
        "8086:15bb": "e1000e",
        "1077:7322": "ib_qib",
        "1d0f:efa2": "efa",
        "1d0f:ec20": "ena",
        "1414:00ba": "mana",
        "1ded:107f": "erdma",
        "1af4:1000": "virtio-pci",
        "144d": "nvme",
    }
)

_CLASS_DRIVERS: Mapping[str, str] = MappingProxyType({"0604": "pcieport", "0801": "none"})


def driver_of(pci_id: str, pci_class: str) -> str | None:
    """The in-tree driver that binds to a PCI function; None when it is not in the table."""
    driver = _CLASS_DRIVERS.get(pci_class[:4]) or _DRIVERS.get(pci_id) or _DRIVERS.get(pci_id[:4])
    return None if driver == "none" else driver


_RATES: Mapping[str, str] = MappingProxyType(
    {
        "1003": "40 Gb/sec (4X QDR)",
        "101b": "200 Gb/sec (4X HDR)",
        "101c": "200 Gb/sec (4X HDR)",
        "101e": "400 Gb/sec (4X NDR)",
        "1021": "400 Gb/sec (4X NDR)",
        "1023": "800 Gb/sec (4X XDR)",
        "a2dc": "200 Gb/sec (2X NDR)",
        "7322": "40 Gb/sec (4X QDR)",
        "159b": "25 Gb/sec (1X EDR)",
        "37d0": "10 Gb/sec (4X SDR)",
    }
)


def rate_of(device: str | None) -> str:
    """The content of ports/N/rate for a PCI device id (four hex digits) when the link is up."""
    return _RATES.get(device or "", "100 Gb/sec (4X EDR)")
