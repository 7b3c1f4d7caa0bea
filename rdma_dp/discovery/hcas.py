"""One HCA put together from its sources: functions, ports, netdevs, character devices."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

from rdma_dp.discovery.chardevs import read_char_devices
from rdma_dp.discovery.netdevs import NetLink, NetLinks
from rdma_dp.discovery.netlink_view import NldevDevice, NldevView
from rdma_dp.discovery.pci import Functions, Parent, parent_of
from rdma_dp.discovery.ports import assign_netdevs, gid_netdevs, read_port_guids, read_ports
from rdma_dp.host import CLASS_INFINIBAND, PCI_DEVICES, Host
from rdma_dp.model import Hca, NetDevice, PciFunction, Port, Subfunction


class Sources:
    """Everything that one scan reads for all HCAs together, each class directory once."""

    def __init__(self, host: Host, netlink: NldevView) -> None:
        self.host = host
        self.netlink = netlink
        self.functions = Functions(host)
        self.links = NetLinks(host)
        self.char_devices = read_char_devices(host)
        self.parents = _parents_of_hcas(host)
        self._by_parent: dict[Parent, list[str]] = defaultdict(list)
        for name, parent in self.parents.items():
            if parent is not None:
                self._by_parent[parent].append(name)
        self.busy_addresses = frozenset(parent.address for parent in self._by_parent)

    def companions(self, hca: str) -> list[str]:
        """The other HCAs on the same function or subfunction."""
        parent = self.parents[hca]
        return [] if parent is None else [n for n in self._by_parent[parent] if n != hca]


def _parents_of_hcas(host: Host) -> dict[str, Parent | None]:
    """Every HCA of the host with the device that it hangs on. Dangling links are left out."""
    found = {}
    for name in host.entries(CLASS_INFINIBAND):
        path = host.follow(f"{CLASS_INFINIBAND}/{name}")
        if path is not None and host.is_directory(path):
            found[name] = parent_of(path)
    return found


def read_hca(sources: Sources, name: str) -> Hca:
    """The HCA, without a verdict on whether it can be shared."""
    host, parent = sources.host, sources.parents[name]
    netlink = sources.netlink.devices.get(name, NldevDevice(name))
    ports = read_ports(host, name)
    links = _port_links(sources, name, ports, netlink)
    taken_over = _taken_over(sources, parent, links)
    links = {number: _with_bonds(sources, own, taken_over) for number, own in links.items()}
    return Hca(
        name=name,
        functions=_functions(sources, parent, [address for address, _ in taken_over]),
        subfunction=_subfunction(host, parent),
        protocol=netlink.protocol,
        ports=tuple(
            replace(port, netdevs=tuple(link.name for link in links.get(port.number, ())))
            for port in ports
        ),
        netdevs=tuple(_unique(link for found in links.values() for link in found)),
        uverbs=sources.char_devices.uverbs.get(name),
        umads=tuple(sources.char_devices.umads.get(name, ())),
        issms=tuple(sources.char_devices.issms.get(name, ())),
    )


def _port_links(
    sources: Sources, name: str, ports: tuple[Port, ...], netlink: NldevDevice
) -> dict[int, list[NetLink]]:
    """The netdevs by port, from the surest source to the last resort."""
    told = [
        (number, link)
        for number, netdev in netlink.netdevs.items()
        if (link := sources.links.named(netdev)) is not None
    ]
    own = _own_links(sources, name)
    guids = read_port_guids(sources.host, name, ports) if _any_ipoib(own) else {}
    links = assign_netdevs(ports, own, told, guids)
    for port in ports:
        if not links.get(port.number) and port.link_layer != "InfiniBand":
            links[port.number] = gid_netdevs(sources.host, sources.links, name, port.number)
    return links


def _own_links(sources: Sources, name: str) -> list[NetLink]:
    parent = sources.parents[name]
    if parent is None:
        # rxe names the netdev that it runs on; siw does not.
        link = sources.links.named(sources.host.read(f"{CLASS_INFINIBAND}/{name}/parent") or "")
        return [] if link is None else [link]
    if name not in sources.char_devices.uverbs and sources.companions(name):
        return []  # an SMI companion: the netdevs are those of the HCA beside it
    return sources.links.below(parent.address, parent.subfunction)


def _any_ipoib(links: Iterable[NetLink]) -> bool:
    return any(link.link_type == "infiniband" for link in links)


def _taken_over(
    sources: Sources, parent: Parent | None, links: Mapping[int, list[NetLink]]
) -> list[tuple[str, NetLink]]:
    """The functions, with their netdevs, whose ports a RoCE bond gave to this HCA.

    The driver removes the HCAs of a bond's functions and makes one on the first of them, so a
    slave whose function has no HCA left belongs to the HCA that sits on another slave.
    """
    if parent is None:
        return []
    bonds = _unique_names(link.bond for found in links.values() for link in found)
    return [
        (address, link)
        for bond in bonds
        for address, link in sources.links.slaves(bond)
        if address not in sources.busy_addresses
    ]


def _with_bonds(
    sources: Sources, own: list[NetLink], taken_over: list[tuple[str, NetLink]]
) -> list[NetLink]:
    bonds = _unique_names(link.bond for link in own)
    slaves = [link for _, link in taken_over if link.bond in bonds]
    masters = [link for bond in bonds if (link := sources.links.named(bond)) is not None]
    return list({link.name: link for link in (*own, *slaves, *masters)}.values())


def _functions(
    sources: Sources, parent: Parent | None, taken_over: list[str]
) -> tuple[PciFunction, ...]:
    if parent is None:
        return ()
    own = sources.functions.at(parent.address, parent.path)
    others = (sources.functions.at(a, f"{PCI_DEVICES}/{a}") for a in dict.fromkeys(taken_over))
    return (own, *others)


def _subfunction(host: Host, parent: Parent | None) -> Subfunction | None:
    if parent is None or parent.subfunction is None:
        return None
    sfnum = host.read_int(f"{parent.path}/{parent.subfunction}/sfnum")
    return Subfunction(parent.subfunction, sfnum)


def _unique(links: Iterable[NetLink]) -> list[NetDevice]:
    return list({link.name: link.device for link in links}.values())


def _unique_names(names: Iterable[str | None]) -> list[str]:
    return [name for name in dict.fromkeys(names) if name]
