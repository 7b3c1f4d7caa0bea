"""PCI functions: their addresses in sysfs paths, and their attributes."""

import re
from dataclasses import dataclass

from rdma_dp.host.files import Host, HostError
from rdma_dp.host.paths import PCI_DEVICES
from rdma_dp.inventory.hardware import PciFunction
from rdma_dp.inventory.pci_ids import ADDRESS

_ADDRESS = re.compile(ADDRESS)
_SUBFUNCTION = re.compile(r"mlx5_core\.sf\.\d+")

# A PF's link to its VF of that index, from 0 (kernel drivers/pci/iov.c, pci_iov_sysfs_link).
_VIRTFN = re.compile(r"virtfn(\d+)")

# PCI class codes, upper 16 bits (pci.ids): a network function has base class 02; old InfiniBand
# adapters (qib) have "serial bus, InfiniBand" instead.
_NETWORK_BASE_CLASS = 0x02
_SERIAL_BUS_INFINIBAND = 0x0C06
_DISPLAY = 0x03  # base class


@dataclass(frozen=True, slots=True)
class Parent:
    """The PCI device of an entry in sysfs. `path` is the directory of the PCI function."""

    address: str
    path: str
    subfunction: str | None = None


def is_address(name: str) -> bool:
    """Whether the name is the address of a PCI function."""
    return _ADDRESS.fullmatch(name) is not None


def parent_of(path: str) -> Parent | None:
    """The innermost PCI function (and subfunction) on a sysfs path; None for a virtual device.

    The depth of the path differs by driver: with irdma and bnxt the HCA is beside their auxiliary
    device, with an mlx5 subfunction it is below.
    """
    components = path.split("/")
    subfunction = None
    for index in range(len(components) - 1, -1, -1):
        if _SUBFUNCTION.fullmatch(components[index]):
            subfunction = components[index]
        if _ADDRESS.fullmatch(components[index]):
            return Parent(components[index], "/".join(components[: index + 1]), subfunction)
    return None


class Functions:
    """The PCI functions of the host. Reads each once per scan."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._read: dict[str, PciFunction] = {}
        self._vfs: dict[str, dict[str, int]] = {}
        self._classes: dict[str, int | None] = {}
        self._listed: tuple[str, ...] | None = None

    def at(self, address: str, path: str) -> PciFunction:
        """The function with its attributes from the directory `path`. Raises HostError."""
        if address not in self._read:
            self._read[address] = self._read_function(address, path)
        return self._read[address]

    def network(self, *, besides: frozenset[str]) -> list[str]:
        """The addresses of all functions of a network class with any driver, without `besides`."""
        others = (address for address in self._addresses() if address not in besides)
        return [each for each in others if _is_network(self._class(each))]

    def displays(self) -> list[str]:
        """The addresses of all functions of a display class, which GPUs have."""
        return [each for each in self._addresses() if self._class(each) >> 16 == _DISPLAY]

    def _addresses(self) -> tuple[str, ...]:
        if self._listed is None:
            self._listed = tuple(self._host.entries(PCI_DEVICES))
        return self._listed

    def _class(self, address: str) -> int:
        """The class of a function; 0 if it cannot be read."""
        if address not in self._classes:
            path = f"{PCI_DEVICES}/{address}/class"
            self._classes[address] = self._host.read_int_or_none(path, 16)
        return self._classes[address] or 0

    def _read_function(self, address: str, path: str) -> PciFunction:
        physfn = self._host.link_name(f"{path}/physfn")
        numa_node = self._host.read_int_or_none(f"{path}/numa_node")
        return PciFunction(
            address=address,
            vendor=parsed_hex_id(self._host.read(f"{path}/vendor")),
            device=parsed_hex_id(self._host.read(f"{path}/device")),
            pci_class=self._host.read_int(f"{path}/class", 16),
            driver=self._host.link_name(f"{path}/driver"),
            numa_node=None if numa_node is None or numa_node < 0 else numa_node,
            physfn=physfn,
            vf=None if physfn is None else self._vf_numbers(physfn).get(address),
        )

    def _vf_numbers(self, pf: str) -> dict[str, int]:
        """The indexes of the PF's VFs by their addresses; empty when the PF cannot be read."""
        if pf not in self._vfs:
            try:
                self._vfs[pf] = self._read_vf_numbers(f"{PCI_DEVICES}/{pf}")
            except HostError:
                self._vfs[pf] = {}
        return self._vfs[pf]

    def _read_vf_numbers(self, path: str) -> dict[str, int]:
        links = [found for entry in self._host.entries(path) if (found := _VIRTFN.fullmatch(entry))]
        vfs = ((self._host.link_name(f"{path}/{link[0]}"), int(link[1])) for link in links)
        return {address: number for address, number in vfs if address is not None}


def _is_network(pci_class: int) -> bool:
    return pci_class >> 16 == _NETWORK_BASE_CLASS or pci_class >> 8 == _SERIAL_BUS_INFINIBAND


def parsed_hex_id(text: str | None) -> str | None:
    """ "0x15B3" -> "15b3"; None for anything but four hex digits."""
    digits = re.fullmatch(r"(?:0x)?([0-9a-f]{4})", (text or "").lower())
    return digits[1] if digits else None
