"""One complete scan: host -> Inventory. No state is kept between two scans."""

from dataclasses import replace
from types import MappingProxyType

from rdma_dp.discovery.char_devices import read_rdma_cm
from rdma_dp.discovery.eligibility import unreadable, with_verdict
from rdma_dp.discovery.hcas import netdevs_of, read_hca, with_altnames
from rdma_dp.discovery.interfaces import why_no_interface
from rdma_dp.discovery.sources import Sources
from rdma_dp.discovery.switch_boards import with_suspicions
from rdma_dp.discovery.unused_functions import RDMA_MODULE_OF_DRIVER, find_unused_functions
from rdma_dp.host.files import Host, HostError
from rdma_dp.host.netlink.values import NetlinkView
from rdma_dp.host.paths import MODULES, NETNS_MODE
from rdma_dp.inventory.hardware import Hca, Inventory, System, natural_key

# The kernel modules that RDMA in pods needs with any hardware.
_CORE_MODULES = ("ib_core", "ib_uverbs", "ib_umad", "rdma_ucm")


def scan(host: Host) -> Inventory:
    """Reads the whole host.

    Raises HostError when a class directory cannot be read; an HCA, a function or a node that cannot
    be read is in the inventory, with the error as its reason.
    """
    with host.at_one_moment():
        return _scan(host)


def _scan(host: Host) -> Inventory:
    netlink = host.netlink.rdma() or NetlinkView()
    sources = Sources(host, netlink)
    netns_mode = netlink.netns_mode or _netns_mode(host)
    names = sorted(sources.parents, key=natural_key)
    read = with_suspicions(sources, tuple(_read_hca(sources, name, netns_mode) for name in names))
    altnames = host.netlink.altnames(netdevs_of(read))
    hcas = tuple(with_altnames(hca, altnames) if altnames else hca for hca in read)
    return Inventory(
        hcas=hcas,
        unused_functions=find_unused_functions(sources, hcas, netns_mode),
        system=System(netns_mode, read_rdma_cm(host), MappingProxyType(_modules(host, hcas))),
    )


def _read_hca(sources: Sources, name: str, netns_mode: str | None) -> Hca:
    try:
        hca = with_verdict(sources, read_hca(sources, name), netns_mode)
        return replace(hca, no_interface=why_no_interface(sources, hca)) if hca.shareable else hca
    except HostError as error:
        return Hca(name, ineligible=unreadable(error))


def _netns_mode(host: Host) -> str | None:
    # ib_core's parameter netns_mode (kernel drivers/infiniband/core/device.c): Y is shared.
    return {"Y": "shared", "N": "exclusive"}.get(host.read_or_none(NETNS_MODE) or "")


def _modules(host: Host, hcas: tuple[Hca, ...]) -> dict[str, bool]:
    """Whether each module is loaded: the common ones, and those that the host's drivers need."""
    if not host.is_directory(MODULES):
        return {}
    drivers = {function.driver for hca in hcas for function in hca.functions}
    wanted = {RDMA_MODULE_OF_DRIVER[d] for d in drivers if d in RDMA_MODULE_OF_DRIVER}
    return {
        name: host.is_directory(f"{MODULES}/{name}") for name in (*_CORE_MODULES, *sorted(wanted))
    }
