"""Device-info files: from them Multus learns which PCI and RDMA device belongs to a slot. Pure.

Source: Device Information Specification 1.1.0, sections 3 and 4.1
(k8snetworkplumbingwg/device-info-spec). The specification asks a plugin to remove its files when it
stops. Ours stay, because Multus reads them each time it creates a pod's sandbox again, and that can
happen while rdma-dp is not running.
"""

import json
import re
from collections.abc import Mapping
from types import MappingProxyType

from rdma_dp.config import Resource
from rdma_dp.formats.names import DEVICE_INFO_END
from rdma_dp.formats.slot_ids import parsed_id
from rdma_dp.inventory.hardware import Hca, PciFunction
from rdma_dp.inventory.pci_ids import ADDRESS
from rdma_dp.sharing.pool import Pool
from rdma_dp.sharing.slot_groups import SlotGroup, hcas_of

VERSION = "1.1.0"

# The hardware key of an HCA on a PCI function.
_KEY = re.compile(rf"{ADDRESS}(-sf[0-9]+|-[a-z0-9_]+\.sf\.[0-9]+)?", re.ASCII)


def documents(pool: Pool) -> Mapping[str, str]:
    """The texts of a resource's files by file name: one for each slot of an HCA on PCI."""
    resource = pool.resource
    if not (resource.per_hca and resource.device_info):
        return MappingProxyType({})
    begin, found = _begin(resource), dict[str, str]()
    for group in pool.slot_groups.values():
        text = _text(group)
        if text is not None:
            found |= {f"{begin}{slot.id}{DEVICE_INFO_END}": text for slot in group.slots}
    return MappingProxyType(found)


def is_ours(file_name: str, resource: Resource) -> bool:
    """Whether this resource wrote the file, by its name.

    "rdma-a-b-..." is not a file of "rdma/a", although it begins the same. Other plugins' slot ids
    have another form.
    """
    begin = _begin(resource)
    if not (file_name.startswith(begin) and file_name.endswith(DEVICE_INFO_END)):
        return False
    slot = parsed_id(file_name[len(begin) : -len(DEVICE_INFO_END)])
    return slot is not None and slot[0] is not None and _KEY.fullmatch(slot[0]) is not None


def _begin(resource: Resource) -> str:
    return f"{resource.full_name.replace('/', '-')}-"


def _text(group: SlotGroup) -> str | None:
    """The text for every slot of the group; None if it has no HCA on a PCI function.

    The format has room for one RDMA device. If a function has several, the first by name is used.
    """
    hca = next(iter(hcas_of([group])), None)
    if hca is None or hca.function is None:
        return None
    pf = _pf_address(hca, hca.function)
    pci = {
        "pci-address": hca.function.address,
        "rdma-device": hca.name,
        **({} if pf is None else {"pf-pci-address": pf}),
    }
    return json.dumps({"type": "pci", "version": VERSION, "pci": pci}) + "\n"


def _pf_address(hca: Hca, function: PciFunction) -> str | None:
    """The address of the PF of a VF or SF; None for a PF. An SF has its PF's address."""
    if function.physfn is not None:
        return function.physfn
    return function.address if hca.subfunction is not None else None
