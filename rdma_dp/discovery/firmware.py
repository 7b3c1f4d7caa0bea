"""Reads the firmware versions of HCAs. Only what is offered by DRA needs them at each scan."""

from collections.abc import Mapping
from types import MappingProxyType

from rdma_dp.host.files import Host
from rdma_dp.host.paths import CLASS_INFINIBAND
from rdma_dp.inventory.hardware import Inventory


def read_firmware(host: Host, inventory: Inventory) -> Mapping[str, str]:
    """The firmware version of each HCA that shows one, by the name of the HCA."""
    found = {
        hca.name: host.read_or_none(f"{CLASS_INFINIBAND}/{hca.name}/fw_ver")
        for hca in inventory.hcas
    }
    return MappingProxyType({name: text for name, text in found.items() if text})
