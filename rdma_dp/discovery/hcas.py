"""Reads one HCA: its functions, ports, netdevs and character devices."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from rdma_dp.discovery.netdevs import NetLink
from rdma_dp.discovery.pci_functions import Parent
from rdma_dp.discovery.ports import (
    UNKNOWN_PORT,
    assign_netdevs,
    gid_netdevs,
    read_port_guids,
    read_ports,
)
from rdma_dp.discovery.sources import Sources
from rdma_dp.host.files import Host
from rdma_dp.host.netlink.values import NldevDevice
from rdma_dp.host.paths import CLASS_INFINIBAND, PCI_DEVICES
from rdma_dp.inventory.hardware import Hca, PciFunction, Port, Subfunction


def read_hca(sources: Sources, name: str) -> Hca:
    """The HCA, without the verdict whether it can be shared."""
    host, parent = sources.host, sources.parents[name]
    netlink = sources.netlink.devices.get(name, NldevDevice(name))
    ports = read_ports(host, name)
    found = _port_links(sources, name, ports, netlink)
    links = {
        number: _with_bonds(sources, parent, _with_children(sources, found[number]))
        for number in sorted(found, key=lambda number: (number == UNKNOWN_PORT, number))
    }
    netdevs = list({link.name: link for own in links.values() for link in own}.values())
    functions = _functions(sources, parent, netdevs)
    return Hca(
        name=name,
        functions=functions,
        pf_names=_pf_names(sources, parent, functions),
        subfunction=_subfunction(host, parent),
        protocol=netlink.protocol,
        ports=tuple(
            replace(port, netdevs=tuple(link.name for link in links.get(port.number, ())))
            for port in ports
        ),
        netdevs=tuple(link.device for link in netdevs),
        uverbs=sources.char_devices.uverbs.get(name),
        umads=tuple(sources.char_devices.umads.get(name, ())),
        issms=tuple(sources.char_devices.issms.get(name, ())),
        driver_nodes=sources.driver_nodes.get(name, ()),
    )


def netdevs_of(hcas: Iterable[Hca]) -> tuple[str, ...]:
    """The names of the netdevs of HCAs and of their PFs, each once."""
    names = (n for hca in hcas for n in (*(netdev.name for netdev in hca.netdevs), *hca.pf_names))
    return tuple(dict.fromkeys(names))


def with_altnames(hca: Hca, altnames: Mapping[str, Sequence[str]]) -> Hca:
    """The HCA with the alternative names of its netdevs and of those of its PF."""
    return replace(
        hca,
        pf_names=tuple(n for name in hca.pf_names for n in (name, *altnames.get(name, ()))),
        netdevs=tuple(
            replace(netdev, altnames=tuple(altnames.get(netdev.name, ()))) for netdev in hca.netdevs
        ),
    )


def _port_links(
    sources: Sources, name: str, ports: tuple[Port, ...], netlink: NldevDevice
) -> dict[int, list[NetLink]]:
    """The netdevs of each port. Netlink is the first source, GID tables are the last."""
    from_netlink = [
        (number, link)
        for number, netdev in netlink.netdevs.items()
        if (link := sources.links.named(netdev)) is not None
    ]
    own = [link for link in _own_links(sources, name) if sources.may_have(name, link)]
    guids = read_port_guids(sources.host, name, ports) if _any_ipoib(own) else {}
    links = assign_netdevs(ports, own, from_netlink, guids)
    for port in ports:
        if not links.get(port.number) and port.link_layer != "InfiniBand":
            found = gid_netdevs(sources.host, sources.links, name, port.number)
            links[port.number] = [link for link in found if _may_be_here(sources, name, link)]
    return links


def _may_be_here(sources: Sources, name: str, link: NetLink) -> bool:
    """Whether a netdev can be the one that a GID table names.

    The table has names of all network namespaces. So "eth0" of a pod must not be taken for the
    "eth0" of this namespace, which is virtual if this is a pod too.
    """
    return sources.parents[name] is None or not sources.links.is_virtual(link.name)


def _own_links(sources: Sources, name: str) -> list[NetLink]:
    parent = sources.parents[name]
    if parent is None:
        # rxe shows the netdev that it runs on; siw does not.
        link = sources.links.named(sources.host.read(f"{CLASS_INFINIBAND}/{name}/parent") or "")
        return [] if link is None else [link]
    if name not in sources.char_devices.uverbs and sources.other_hcas(name):
        return []  # for SMI only: the netdevs belong to the other HCA of the function
    return sources.links.below(parent.address, parent.subfunction)


def _any_ipoib(links: Iterable[NetLink]) -> bool:
    return any(link.link_type == "infiniband" for link in links)


def _with_children(sources: Sources, own: list[NetLink]) -> list[NetLink]:
    """The netdevs of a port with the IPoIB interfaces over them on other partitions."""
    return [link for parent in own for link in (parent, *sources.links.children(parent))]


def _with_bonds(sources: Sources, parent: Parent | None, own: list[NetLink]) -> list[NetLink]:
    """The netdevs of a port with their bonds, and with the other slaves of these bonds.

    The driver removes the HCAs of a RoCE bond's functions and makes one HCA on the first function.
    So a slave whose function has no HCA belongs to the HCA of another slave.
    """
    found = list(own)
    for bond in dict.fromkeys(link.bond for link in own if link.bond):
        found += [s for s in sources.links.slaves(bond) if _joined(sources, parent, s)]
        found += [master for master in [sources.links.named(bond)] if master is not None]
    return list({link.name: link for link in found}.values())


def _joined(sources: Sources, parent: Parent | None, link: NetLink) -> PciFunction | None:
    """The function of a netdev, if its port belongs to the HCA on `parent`."""
    address = sources.links.address(link.name)
    if parent is None or address is None or address in sources.busy_addresses:
        return None
    function = sources.functions.at(address, f"{PCI_DEVICES}/{address}")
    own = sources.functions.at(parent.address, parent.path)
    return function if function.driver == own.driver else None


def _functions(
    sources: Sources, parent: Parent | None, netdevs: list[NetLink]
) -> tuple[PciFunction, ...]:
    """The HCA's own function, then the functions whose ports belong to this HCA."""
    if parent is None:
        return ()
    joined = [f for netdev in netdevs if (f := _joined(sources, parent, netdev)) is not None]
    own = sources.functions.at(parent.address, parent.path)
    return tuple(dict.fromkeys([own, *joined]))


def _pf_names(
    sources: Sources, parent: Parent | None, functions: tuple[PciFunction, ...]
) -> tuple[str, ...]:
    """The netdevs of all PFs whose ports the HCA has; for an SF only those of its parent."""
    if parent is not None and parent.subfunction is not None:
        return sources.links.own_names(parent.address)
    pfs = dict.fromkeys(function.physfn or function.address for function in functions)
    return tuple(name for pf in pfs for name in sources.links.own_names(pf))


def _subfunction(host: Host, parent: Parent | None) -> Subfunction | None:
    if parent is None or parent.subfunction is None:
        return None
    sfnum = host.read_int(f"{parent.path}/{parent.subfunction}/sfnum")
    return Subfunction(parent.subfunction, sfnum)
