"""Character devices of HCAs: uverbs by HCA, umad and issm by HCA and port, rdma_cm for all.

The numbers in their names have gaps and no order, and are reused after a hot-unplug. So each scan
reads the `ibdev` attribute and concludes nothing from a number.
"""

import re
from collections import defaultdict
from dataclasses import dataclass, field

from rdma_dp.host.files import Host
from rdma_dp.host.paths import CLASS_MAD, CLASS_VERBS, RDMA_CM
from rdma_dp.inventory.hardware import CharDevice, natural_key

_UVERBS = re.compile(r"uverbs\d+")
_UMAD_OR_ISSM = re.compile(r"(umad|issm)\d+")


@dataclass(slots=True)
class CharDevices:
    """The character devices of each HCA, by the name of the HCA."""

    uverbs: dict[str, CharDevice] = field(default_factory=dict)
    umads: dict[str, list[CharDevice]] = field(default_factory=lambda: defaultdict(list))
    issms: dict[str, list[CharDevice]] = field(default_factory=lambda: defaultdict(list))


def read_char_devices(host: Host) -> CharDevices:
    """All uverbs, umad and issm devices of the host. Lists each class directory once."""
    found = CharDevices()
    for name in host.entries(CLASS_VERBS):
        ibdev = _ibdev(host, CLASS_VERBS, name) if _UVERBS.fullmatch(name) else None
        if ibdev:
            found.uverbs[ibdev] = host.char_device(name, f"{CLASS_VERBS}/{name}")
    for name in sorted(host.entries(CLASS_MAD), key=natural_key):
        ibdev = _ibdev(host, CLASS_MAD, name) if _UMAD_OR_ISSM.fullmatch(name) else None
        if ibdev:
            kind = found.umads if name.startswith("umad") else found.issms
            kind[ibdev].append(host.char_device(name, f"{CLASS_MAD}/{name}"))
    return found


def read_rdma_cm(host: Host) -> CharDevice | None:
    """The device of the connection manager; None while the module rdma_ucm is not loaded."""
    if not host.is_directory(RDMA_CM):
        return None
    return host.char_device("rdma_cm", RDMA_CM)


def _ibdev(host: Host, directory: str, name: str) -> str | None:
    return host.read_fact(f"{directory}/{name}/ibdev")
