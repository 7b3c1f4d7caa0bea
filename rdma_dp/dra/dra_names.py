"""The names of devices in ResourceSlices. Claims and checkpoints hold them: they must not change.

A name is a DNS label. It is the resource's name, with the PCI address of the HCA for a device per
HCA ("hca-0000-18-00-0"), and the number of the slot for a device per slot. Where that would not be
a label, or could be another device's name, it ends in a digest. Pure.
"""

import re

from rdma_dp.config import Resource
from rdma_dp.formats.names import digest
from rdma_dp.formats.slot_ids import HardwareKey
from rdma_dp.inventory.pci_ids import ADDRESS

_LONGEST_LABEL = 63  # characters (kubernetes apimachinery validation, DNS1123LabelMaxLength)
_LONGEST_SLOT = len("-1000000")  # the number of a slot has at most six digits (MOST_SLOTS)
_LONGEST = _LONGEST_LABEL - _LONGEST_SLOT

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", re.ASCII)
# A PF, a VF, or an SF with a number of its own. Other keys can be any text.
_PCI_KEY = re.compile(rf"{ADDRESS}(-sf[0-9]+)?", re.ASCII)

_DIGITS = 10
# A resource's name that ends like one of these could be a name made of a shorter one.
_AMBIGUOUS = re.compile(
    rf".*-([0-9a-f]{{{_DIGITS}}}|[0-9a-f]{{4,8}}-[0-9a-f]{{2}}-[0-9a-f]{{2}}-[0-7](-sf[0-9]+)?)",
    re.ASCII,
)


def device_name(resource: Resource, key: HardwareKey) -> str:
    """The name of the device of a slot group. `key` is its hardware key."""
    name = resource.resource_name
    plain = name if key is None else f"{name}-{_dashes(key)}"
    clear = _LABEL.fullmatch(name) and not _AMBIGUOUS.fullmatch(name)
    known = key is None or _PCI_KEY.fullmatch(key)
    if clear and known and len(plain) <= _LONGEST:
        return plain
    whole = resource.full_name if key is None else f"{resource.full_name}={key}"
    return f"{_dashes(plain)[: _LONGEST - _DIGITS - 1]}-{digest(whole, _DIGITS)}"


def slot_name(device: str, number: int) -> str:
    """The name of the device of one slot. Numbers start at 0."""
    return f"{device}-{number}"


def _dashes(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "-", text.lower())
