"""Character devices of HCAs: uverbs by HCA, umad and issm by HCA and port, rdma_cm for all.

The numbers in their names have gaps and no order, and are reused after a hot-unplug. So each scan
reads the `ibdev` attribute and concludes nothing from a number.
"""

import os
import re
import stat
from collections import defaultdict
from dataclasses import dataclass, field, replace

from rdma_dp.host.files import Host, HostError
from rdma_dp.host.paths import CLASS_MAD, CLASS_VERBS, DEV, DEV_INFINIBAND, RDMA_CM
from rdma_dp.inventory.hardware import CHAR_DEVICE_DIRECTORY, CharDevice, DeviceNumber, natural_key

# devtmpfs deletes the directory with its last node, so a driver that is loaded again gets another
# directory. A mount of the first one stays empty (kernel drivers/base/devtmpfs.c, dev_rmdir).
STALE_MOUNT = (
    f"{CHAR_DEVICE_DIRECTORY} of this pod is a directory that the host deleted when a driver was"
    " reloaded: mount /dev into the pod instead, and restart it"
)

_UVERBS = re.compile(r"uverbs\d+")
_UMAD_OR_ISSM = re.compile(r"(umad|issm)\d+")


@dataclass(slots=True)
class CharDevices:
    """The character devices of each HCA, by the name of the HCA.

    `stale` is whether their directory is a mount of one that the host has deleted.
    """

    stale: bool = False
    uverbs: dict[str, CharDevice] = field(default_factory=dict)
    umads: dict[str, list[CharDevice]] = field(default_factory=lambda: defaultdict(list))
    issms: dict[str, list[CharDevice]] = field(default_factory=lambda: defaultdict(list))


def read_char_devices(host: Host) -> CharDevices:
    """All uverbs, umad and issm devices of the host. Lists each class directory once."""
    found = CharDevices(stale=host.is_deleted(DEV_INFINIBAND))
    for name in host.entries(CLASS_VERBS):
        ibdev = _ibdev(host, CLASS_VERBS, name) if _UVERBS.fullmatch(name) else None
        if ibdev:
            found.uverbs[ibdev] = char_device(host, name, f"{CLASS_VERBS}/{name}")
    for name in sorted(host.entries(CLASS_MAD), key=natural_key):
        ibdev = _ibdev(host, CLASS_MAD, name) if _UMAD_OR_ISSM.fullmatch(name) else None
        if ibdev:
            kind = found.umads if name.startswith("umad") else found.issms
            kind[ibdev].append(char_device(host, name, f"{CLASS_MAD}/{name}"))
    return found


def read_rdma_cm(host: Host) -> CharDevice | None:
    """The device of the connection manager; None while the module rdma_ucm is not loaded."""
    if not host.is_directory(RDMA_CM):
        return None
    return char_device(host, "rdma_cm", RDMA_CM)


def _ibdev(host: Host, directory: str, name: str) -> str | None:
    return host.read_or_none(f"{directory}/{name}/ibdev")


def char_device(
    host: Host, name: str, sysfs_path: str, directory: str = CHAR_DEVICE_DIRECTORY
) -> CharDevice:
    """The device node of `name`, from its sysfs directory and from /dev. Raises ExhaustedError.

    A tree without /dev (a capture) has no node to check: the device is known from sysfs alone.
    """
    try:
        number = device_number(host.read(f"{sysfs_path}/dev"))
    except HostError as error:
        return CharDevice(name, None, fault=str(error), directory=directory)
    device = CharDevice(name, number, directory=directory)
    if not host.is_directory(DEV):
        return device
    return replace(device, checked=True, fault=_node_fault(host, device))


def device_number(text: str | None) -> DeviceNumber | None:
    """The number that sysfs writes as "MAJOR:MINOR"; None for any other text."""
    major, _, minor = (text or "").partition(":")
    if major.isascii() and major.isdigit() and minor.isascii() and minor.isdigit():
        return DeviceNumber(int(major), int(minor))
    return None


def _node_fault(host: Host, device: CharDevice) -> str | None:
    try:
        node = host.status(device.path.lstrip("/"))
    except HostError as error:
        return str(error)
    if node is None:
        return _absence(host, device)
    if not stat.S_ISCHR(node.st_mode):
        return f"{device.path} is not a character device"
    found = DeviceNumber(os.major(node.st_rdev), os.minor(node.st_rdev))
    if device.number is not None and found != device.number:
        return f"{device.path} is {found}, but the kernel's {device.name} is {device.number}"
    return None


def _absence(host: Host, device: CharDevice) -> str:
    if device.directory != CHAR_DEVICE_DIRECTORY:
        return f"{device.path} is missing: if this is a pod, mount the host's /dev into it"
    return STALE_MOUNT if host.is_deleted(DEV_INFINIBAND) else f"{device.path} is missing"
