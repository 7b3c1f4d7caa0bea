"""Whether an HCA is one to share at all, and if not, why, in words for the person who asks."""

from dataclasses import replace

from rdma_dp.discovery.sources import Sources
from rdma_dp.discovery.vpd import READ_LIMIT, is_switch_management
from rdma_dp.host.files import HostError
from rdma_dp.host.paths import CLASS_INFINIBAND, CLASS_VERBS, MODULES, PCI_DEVICES
from rdma_dp.inventory.hardware import Hca
from rdma_dp.inventory.pci_ids import MELLANOX

_CLASS_INFINIBAND_CONTROLLER = 0x0207  # pci.ids: network controller, InfiniBand

EXCLUSIVE_NETNS = (
    "RDMA devices are in exclusive network-namespace mode, so a pod cannot use an HCA of the host;"
    " `rdma system set netns shared` shares them, but not once pods have network namespaces"
    " (EBUSY): then `options ib_core netns_mode=1` in /etc/modprobe.d and a reboot"
)

SWITCH_MANAGEMENT = (
    "management function of an NVLink switch (VPD says SMDL=SW_MNG), not a network HCA"
)
RAW_ETHERNET = (
    "its function is in switchdev mode and has no GIDs: raw Ethernet only; share its VFs or SFs"
)


def judged(sources: Sources, hca: Hca, netns_mode: str | None) -> Hca:
    """The HCA with the first reason against sharing it, lasting ones first, or a suspicion."""
    manages, suspicion = _switch_management(sources, hca)
    unshareable = (
        _without_verbs(sources, hca)
        or manages
        or _raw_ethernet(sources, hca)
        or (hca.uverbs.fault if hca.uverbs else None)
        or (EXCLUSIVE_NETNS if netns_mode == "exclusive" else None)
    )
    return replace(hca, unshareable=unshareable, suspicion=suspicion)


def _without_verbs(sources: Sources, hca: Hca) -> str | None:
    if hca.uverbs is not None:
        return None
    netlink = sources.netlink.devices.get(hca.name)
    served = [name for name in sources.companions(hca.name) if name in sources.char_devices.uverbs]
    if (netlink and netlink.smi) or served:
        served = served or [netlink.smi_parent or "another HCA"] if netlink else served
        return f"no uverbs: it only serves {', '.join(served)} for subnet management (SMI)"
    if sources.host.is_directory(CLASS_VERBS):
        return "no uverbs: the kernel offers no verbs on this device"
    if sources.host.is_directory(MODULES):
        return "no uverbs: the module ib_uverbs is not loaded; `modprobe ib_uverbs` loads it"
    return "no uverbs: the class infiniband_verbs is not there, as when ib_uverbs is not loaded"


def _switch_management(sources: Sources, hca: Hca) -> tuple[str | None, str | None]:
    """The reason against an NVLink switch's manager, or the suspicion whether it is one."""
    function = hca.function
    if (
        function is None
        or function.vendor != MELLANOX
        or (function.pci_class or 0) >> 8 != _CLASS_INFINIBAND_CONTROLLER
        or function.physfn is not None
    ):
        return None, None
    try:
        vpd = sources.host.read_unchanging(f"{PCI_DEVICES}/{function.address}/vpd", READ_LIMIT)
    except HostError as error:  # many virtual machines show no VPD: a suspicion, not a verdict
        return None, f"it may be an NVLink switch's management function: {error}"
    if vpd is None or not is_switch_management(vpd):
        return None, None
    return SWITCH_MANAGEMENT, None


def _raw_ethernet(sources: Sources, hca: Hca) -> str | None:
    """A PF in switchdev mode has an HCA for raw Ethernet only: its GID tables are empty."""
    function = hca.function
    if function is None or hca.subfunction is not None:
        return None
    uplinks = sources.links.below(function.address)
    if not any(link.switch_id for link in uplinks) or not hca.ports:
        return None
    gids = f"{CLASS_INFINIBAND}/{hca.name}/ports/{hca.ports[0].number}/gids"
    if not sources.host.is_directory(gids) or sources.host.entries(gids):
        return None
    return RAW_ETHERNET
