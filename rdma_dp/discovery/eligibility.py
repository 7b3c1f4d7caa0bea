"""Whether an HCA can be shared, and if not, why."""

from dataclasses import replace

from rdma_dp.discovery.sources import Sources
from rdma_dp.discovery.vpd import READ_LIMIT, is_switch_management
from rdma_dp.host.files import Host, HostError
from rdma_dp.host.paths import CLASS_INFINIBAND, CLASS_VERBS, MODULES, PCI_DEVICES
from rdma_dp.inventory.hardware import Hca, PciFunction
from rdma_dp.inventory.pci_ids import MELLANOX
from rdma_dp.inventory.verdicts import Ineligible, IneligibleCode, Suspicion, SuspicionCode

_CLASS_INFINIBAND_CONTROLLER = 0x0207  # pci.ids: network controller, InfiniBand

# Containers get lists of names, with commas between names and a colon before a port. The kernel
# itself allows these characters, and newlines: `rdma dev set` only wants a name that is new (kernel
# drivers/infiniband/core/device.c, ib_device_rename).
_NOT_IN_LISTS = frozenset(" ,:")

_EXCLUSIVE_NETNS = Ineligible(
    IneligibleCode.NETNS_EXCLUSIVE,
    "RDMA devices are in exclusive network-namespace mode, so a pod cannot use an HCA of the host;"
    " `rdma system set netns shared` shares them, but not once pods have network namespaces"
    " (EBUSY): then `options ib_core netns_mode=1` in /etc/modprobe.d and a reboot",
)

_SWITCH_MANAGEMENT = Ineligible(
    IneligibleCode.NVLINK_SWITCH_MANAGEMENT,
    "management function of an NVLink switch (VPD says SMDL=SW_MNG), not a network HCA",
)
_RAW_ETHERNET = Ineligible(
    IneligibleCode.SWITCHDEV,
    "its function is in switchdev mode and has no GIDs: raw Ethernet only; share its VFs or SFs",
)


def with_verdict(sources: Sources, hca: Hca, netns_mode: str | None) -> Hca:
    """The HCA with the first reason not to share it (permanent ones first), or a suspicion."""
    management, suspicion = _switch_management(sources, hca)
    ineligible = (
        _unusable_name(hca)
        or _without_verbs(sources, hca)
        or management
        or _raw_ethernet(sources, hca)
        or _faulty_node(hca, stale=sources.char_devices.stale)
        or (_EXCLUSIVE_NETNS if netns_mode == "exclusive" else None)
    )
    return replace(hca, ineligible=ineligible, suspicion=suspicion)


def unreadable(error: HostError) -> Ineligible:
    """The verdict on an HCA whose files cannot be read."""
    return Ineligible(IneligibleCode.UNREADABLE, str(error))


def _unusable_name(hca: Hca) -> Ineligible | None:
    if hca.name.isprintable() and _NOT_IN_LISTS.isdisjoint(hca.name):
        return None
    return Ineligible(
        IneligibleCode.NAME,
        "its name has a space, a comma, a colon or a character that cannot be printed, so it cannot"
        " be written into a container's variables; `rdma dev set HCA name NAME` renames it",
    )


def _faulty_node(hca: Hca, *, stale: bool) -> Ineligible | None:
    if hca.uverbs is None or hca.uverbs.fault is None:
        return None
    code = IneligibleCode.STALE_MOUNT if stale else IneligibleCode.UVERBS_NODE
    return Ineligible(code, hca.uverbs.fault)


def _without_verbs(sources: Sources, hca: Hca) -> Ineligible | None:
    if hca.uverbs is not None:
        return None
    netlink = sources.netlink.devices.get(hca.name)
    served = [name for name in sources.other_hcas(hca.name) if name in sources.char_devices.uverbs]
    if (netlink and netlink.smi) or served:
        served = served or [netlink.smi_parent or "another HCA"] if netlink else served
        return Ineligible(
            IneligibleCode.SMI,
            f"no uverbs: it only serves {', '.join(served)} for subnet management (SMI)",
        )
    if sources.host.is_directory(CLASS_VERBS):
        return Ineligible(
            IneligibleCode.NO_VERBS, "no uverbs: the kernel offers no verbs on this device"
        )
    if sources.host.is_directory(MODULES):
        return Ineligible(
            IneligibleCode.UVERBS_NOT_LOADED,
            "no uverbs: the module ib_uverbs is not loaded; `modprobe ib_uverbs` loads it",
        )
    return Ineligible(
        IneligibleCode.NO_UVERBS_CLASS,
        "no uverbs: the class infiniband_verbs is not there, as when ib_uverbs is not loaded",
    )


def _switch_management(sources: Sources, hca: Hca) -> tuple[Ineligible | None, Suspicion | None]:
    """The verdict on a management function of an NVLink switch, or the suspicion of one."""
    if hca.function is None or not may_manage_switch(hca.function):
        return None, None
    try:
        vpd = read_vpd(sources.host, hca.function)
    except HostError as error:  # many virtual machines show no VPD
        return None, Suspicion(
            SuspicionCode.MAYBE_NVLINK_SWITCH_MANAGEMENT,
            f"it may be an NVLink switch's management function: {error}",
        )
    if vpd is None or not is_switch_management(vpd):
        return None, None
    return _SWITCH_MANAGEMENT, None


def may_manage_switch(function: PciFunction) -> bool:
    """Whether only the VPD shows that the function does not belong to an NVLink switch."""
    return (
        function.vendor == MELLANOX
        and (function.pci_class or 0) >> 8 == _CLASS_INFINIBAND_CONTROLLER
        and function.physfn is None
    )


def read_vpd(host: Host, function: PciFunction) -> bytes | None:
    """The beginning of the VPD; None if there is no such file. Raises HostError."""
    return host.read_unchanging(f"{PCI_DEVICES}/{function.address}/vpd", READ_LIMIT)


def _raw_ethernet(sources: Sources, hca: Hca) -> Ineligible | None:
    """A PF in switchdev mode has an HCA for raw Ethernet only, with empty GID tables."""
    function = hca.function
    if function is None or hca.subfunction is not None:
        return None
    uplinks = sources.links.below(function.address)
    if not any(link.switch_id for link in uplinks) or not hca.ports:
        return None
    gids = f"{CLASS_INFINIBAND}/{hca.name}/ports/{hca.ports[0].number}/gids"
    if not sources.host.is_directory(gids) or sources.host.entries(gids):
        return None
    return _RAW_ETHERNET
