"""Netdevs: the PCI function or subfunction of each; representors and bonds."""

import re
from collections import defaultdict
from dataclasses import dataclass

from rdma_dp.discovery.pci_functions import parent_of
from rdma_dp.host.files import Host, HostError
from rdma_dp.host.paths import CLASS_NET
from rdma_dp.inventory.hardware import NetDevice

_IFF_UP = 0x1  # of net/IF/flags (kernel include/uapi/linux/if.h)

_VIRTUAL = "sys/devices/virtual/"

# net/IF/type is an ARPHRD_* number (kernel include/uapi/linux/if_arp.h).
_LINK_TYPES = {1: "ether", 32: "infiniband"}

# phys_port_name of the representor of a VF, SF or host PF in switchdev mode (kernel
# drivers/net/ethernet/mellanox/mlx5/core/en_rep.c and devlink); the uplink is "p0".
_REPRESENTOR = re.compile(r"(c\d+)?pf\d+(vf\d+|sf\d+|hpf)?|(c\d+)?pf\d*hpf")


@dataclass(frozen=True, slots=True)
class NetLink:
    """A netdev in sysfs. `port_index` counts the ports of a function from 0."""

    name: str
    link_type: str | None = None
    hardware_address: str | None = None
    port_index: int = 0
    switch_id: str | None = None
    phys_port_name: str | None = None
    bond: str | None = None
    admin_up: bool | None = None

    @property
    def representor(self) -> bool:
        """Whether it represents another function's port inside an embedded switch."""
        return bool(self.switch_id and _REPRESENTOR.fullmatch(self.phys_port_name or ""))

    @property
    def device(self) -> NetDevice:
        """Its value in the inventory."""
        return NetDevice(self.name, self.link_type, self.bond, self.admin_up)


class NetLinks:
    """The host's netdevs. Lists class/net once, and reads attributes only when they are needed.

    A node with many pods has thousands of virtual netdevs that do not matter here.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._read: dict[str, NetLink | None] = {}
        self._below: dict[tuple[str, str | None], list[str]] = defaultdict(list)
        self._own: dict[str, tuple[str, ...]] = {}
        self._parents: dict[str, tuple[str, str | None]] = {}
        self._virtual: list[str] = []
        self._any_physical = False
        self._over: dict[int, list[str]] | None = None
        for name in host.entries(CLASS_NET):
            path = host.follow(f"{CLASS_NET}/{name}")
            parent = parent_of(path) if path else None
            self._any_physical |= path is not None and not path.startswith(_VIRTUAL)
            if parent:
                key = (parent.address, parent.subfunction)
                self._below[key].append(name)
                self._parents[name] = key
            elif path:
                self._virtual.append(name)

    @property
    def any_physical(self) -> bool:
        """Whether a netdev with a device of its own is in this network namespace."""
        return self._any_physical

    def is_virtual(self, name: str) -> bool:
        """Whether a netdev has no device of its own and is no bond: a veth, a bridge, a VLAN."""
        bonding = f"{CLASS_NET}/{name}/bonding"
        return name not in self._parents and not self._host.is_directory(bonding)

    def names_below(self, address: str) -> tuple[str, ...]:
        """The names of the netdevs of a PCI function. Reads no attributes."""
        return tuple(self._below.get((address, None), ()))

    def below(self, address: str, subfunction: str | None = None) -> list[NetLink]:
        """The netdevs of a PCI function, or of one of its subfunctions."""
        links = [self.named(name) for name in self._below.get((address, subfunction), ())]
        return [link for link in links if link is not None]

    def own_names(self, address: str) -> tuple[str, ...]:
        """The names of a PCI function's netdevs without its representors. Reads them once."""
        if address not in self._own:
            names = self.names_below(address)
            self._own[address] = tuple(name for name in names if self._is_own(name))
        return self._own[address]

    def _is_own(self, name: str) -> bool:
        try:
            link = self.named(name)
        except HostError:  # reported for the HCA of the netdev, not for all VFs of the function
            return False
        return link is not None and not link.representor

    def named(self, name: str) -> NetLink | None:
        """The netdev of that name; None if there is none."""
        if not name:
            return None
        if name not in self._read:
            self._read[name] = self._read_link(name)
        return self._read[name]

    def address(self, name: str) -> str | None:
        """The address of a netdev's PCI function; None for a virtual netdev."""
        return self._parents[name][0] if name in self._parents else None

    def slaves(self, bond: str) -> list[NetLink]:
        """The slaves of a bond."""
        names = (self._host.read(f"{CLASS_NET}/{bond}/bonding/slaves") or "").split()
        return [link for name in names if (link := self.named(name)) is not None]

    def children(self, link: NetLink) -> list[NetLink]:
        """The IPoIB interfaces on other partitions of an IPoIB netdev.

        They have no device, so sysfs lists them as virtual netdevs. `iflink` is the netdev that
        they run over. For a veth `iflink` is its peer, so the type is compared too.
        """
        if link.link_type != "infiniband":
            return []
        if self._over is None:
            self._over = self._virtual_by_iflink()
        index = self._host.read_int_or_none(f"{CLASS_NET}/{link.name}/ifindex")
        names = [] if index is None else self._over.get(index, [])
        found = [child for name in names if (child := self.named(name)) is not None]
        return [child for child in found if child.link_type == "infiniband" and child != link]

    def _virtual_by_iflink(self) -> dict[int, list[str]]:
        found: dict[int, list[str]] = defaultdict(list)
        for name in self._virtual:
            index = self._host.read_int_or_none(f"{CLASS_NET}/{name}/iflink")
            if index is not None:
                found[index].append(name)
        return found

    def _read_link(self, name: str) -> NetLink | None:
        host, path = self._host, f"{CLASS_NET}/{name}"
        if not host.is_directory(path):
            return None
        switch_id = host.read_or_none(f"{path}/phys_switch_id")
        return NetLink(
            name=name,
            link_type=_LINK_TYPES.get(host.read_int_or_none(f"{path}/type") or 0),
            hardware_address=host.read_or_none(f"{path}/address"),
            port_index=self._port_index(path),
            switch_id=switch_id,
            phys_port_name=host.read_or_none(f"{path}/phys_port_name") if switch_id else None,
            bond=self._bond(path),
            admin_up=self._admin_up(path),
        )

    def _admin_up(self, path: str) -> bool | None:
        flags = self._host.read_int_or_none(f"{path}/flags", 16)
        return None if flags is None else bool(flags & _IFF_UP)

    def _port_index(self, path: str) -> int:
        # Kernels before 3.15 have only dev_id, in hex.
        index = self._host.read_int_or_none(f"{path}/dev_port")
        return index or self._host.read_int_or_none(f"{path}/dev_id", 16) or 0

    def _bond(self, path: str) -> str | None:
        # A bridge and an Open vSwitch have slaves too, but only a bond changes HCAs.
        master = self._host.link_name(f"{path}/master")
        if master and self._host.is_directory(f"{CLASS_NET}/{master}/bonding"):
            return master
        return None
