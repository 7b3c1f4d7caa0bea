"""The sources that one scan reads once for all HCAs."""

import stat
from collections import defaultdict

from rdma_dp.discovery.char_devices import read_char_devices
from rdma_dp.discovery.driver_nodes import read_driver_nodes
from rdma_dp.discovery.netdevs import NetLink, NetLinks
from rdma_dp.discovery.pci_functions import Functions, Parent, parent_of
from rdma_dp.host.files import Host, HostError
from rdma_dp.host.netlink.values import NetlinkView
from rdma_dp.host.paths import CLASS_INFINIBAND


class Sources:
    """What one scan reads for all HCAs together. Each class directory is listed once."""

    def __init__(self, host: Host, netlink: NetlinkView) -> None:
        self.host = host
        self.netlink = netlink
        self.functions = Functions(host)
        self.links = NetLinks(host)
        self.char_devices = read_char_devices(host)
        self.parents = _parents_of_hcas(host)
        self.driver_nodes = read_driver_nodes(host, self.parents)
        self._hca_of_netdev = {
            netdev: device.name
            for device in netlink.devices.values()
            for netdev in device.netdevs.values()
        }
        self._by_parent: dict[Parent, list[str]] = defaultdict(list)
        for name, parent in self.parents.items():
            if parent is not None:
                self._by_parent[parent].append(name)
        self.busy_addresses = frozenset(parent.address for parent in self._by_parent)

    def may_have(self, hca: str, link: NetLink) -> bool:
        """Whether a netdev may belong to the HCA: netlink reports no other HCA for it."""
        return self._hca_of_netdev.get(link.name, hca) == hca

    def other_hcas(self, hca: str) -> list[str]:
        """The other HCAs on the same function or subfunction."""
        parent = self.parents[hca]
        return [] if parent is None else [n for n in self._by_parent[parent] if n != hca]


def _parents_of_hcas(host: Host) -> dict[str, Parent | None]:
    """Every HCA of the host with its parent device. Dangling links are left out."""
    found = {}
    for name in host.entries(CLASS_INFINIBAND):
        path = host.follow(f"{CLASS_INFINIBAND}/{name}")
        if path is not None and _is_there(host, path):
            found[name] = parent_of(path)
    return found


def _is_there(host: Host, path: str) -> bool:
    """Whether there is a directory. One that cannot be checked stays: its HCA gets a reason."""
    try:
        found = host.status(path)
    except HostError:
        return True
    return found is not None and stat.S_ISDIR(found.st_mode)
