"""Device-info files, from which Multus learns what is behind a slot. Pure.

Source: Device Information Specification 1.1.0, sections 3 and 4.1
(k8snetworkplumbingwg/device-info-spec). It wants a plugin's files gone when the plugin stops; ours
stay, because Multus reads them whenever it makes a pod's sandbox anew, which happens while we are
away.
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

# An HCA's stable key, but for a virtual one's.
_KEY = re.compile(rf"{ADDRESS}(-sf[0-9]+|-[a-z0-9_]+\.sf\.[0-9]+)?", re.ASCII)


def documents(pool: Pool) -> Mapping[str, str]:
    """The texts of a resource's files by their names: one for each slot of an HCA on PCI."""
    resource = pool.resource
    if not (resource.per_hca and resource.device_info):
        return MappingProxyType({})
    begin, found = _begin(resource), dict[str, str]()
    for share in pool.slot_groups.values():
        text = _text(share)
        if text is not None:
            found |= {f"{begin}{slot.id}{DEVICE_INFO_END}": text for slot in share.slots}
    return MappingProxyType(found)


def is_ours(file_name: str, resource: Resource) -> bool:
    """Whether a file can only be one that this resource made.

    "rdma-a-b-..." is no file of "rdma/a", although it begins alike; and the slots of other plugins
    have other ids.
    """
    begin = _begin(resource)
    if not (file_name.startswith(begin) and file_name.endswith(DEVICE_INFO_END)):
        return False
    slot = parsed_id(file_name[len(begin) : -len(DEVICE_INFO_END)])
    return slot is not None and slot[0] is not None and _KEY.fullmatch(slot[0]) is not None


def _begin(resource: Resource) -> str:
    return f"{resource.full_name.replace('/', '-')}-"


def _text(share: SlotGroup) -> str | None:
    """What every slot of the share says; None without an HCA on a PCI function.

    The format has room for one RDMA device: of several on a function, the first by name.
    """
    hca = next(iter(hcas_of([share])), None)
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
    """The PF of a VF or SF. An SF has no address of its own: it goes by its parent's."""
    if function.physfn is not None:
        return function.physfn
    return function.address if hca.subfunction is not None else None
