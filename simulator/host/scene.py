"""A host with every default filled in: what the kernel knows, before it is laid out as files."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from simulator.host import identity
from simulator.host.families import FAMILIES, Family, rate_of
from simulator.host.manifest import Bond, Hca, Manifest, Net, Port, Protocol
from simulator.host.numbering import Numbering, port_protocol
from simulator.host.sites import Site, all_sites

_NO_FAMILY = Family("", "roce")
_LINK_LAYER: Mapping[Protocol, str] = {"ib": "InfiniBand", "opa": "InfiniBand", "efa": "Unknown"}


@dataclass(frozen=True, slots=True)
class PortState:
    """The state and the physical state of a port, in the kernel's words."""

    state: str
    phys_state: str


Counters = Mapping[str, object]
"""The content of counters by their paths below a port, such as "hw_counters/np_cnp_sent"."""


@dataclass(frozen=True, slots=True)
class Condition:
    """The changes to a host since it was built. A port is an HCA and a number."""

    unplugged: frozenset[str] = frozenset()
    ports: Mapping[tuple[str, int], PortState] = field(default_factory=dict)
    counters: Mapping[tuple[str, int], Counters] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class IbPort:
    """A port with all its values."""

    number: int
    protocol: Protocol
    link_layer: str
    now: PortState
    rate: str
    lid: int
    sm_lid: int
    guid: str
    netdev: str | None
    slots: int
    counters: Counters


@dataclass(frozen=True, slots=True)
class Ibdev:
    """An HCA with all its values. `issm` is True if its ports have issm devices."""

    name: str
    site: Site
    spec: Hca
    driver: str
    family: Family
    node_guid: str
    image_guid: str
    ports: tuple[IbPort, ...]
    issm: bool


@dataclass(frozen=True, slots=True)
class Netdev:
    """A netdev with all its values. `master` is the name of its bond."""

    name: str
    site: Site
    spec: Net
    link_type: str
    address: str
    up: bool
    master: str | None


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything on the host at one moment."""

    manifest: Manifest
    numbers: Numbering
    sites: tuple[Site, ...]
    virtual_functions: Mapping[str, list[Site]]
    ibdevs: tuple[Ibdev, ...]
    netdevs: Mapping[str, Netdev]
    modules: frozenset[str]


def resolve(manifest: Manifest, numbers: Numbering, condition: Condition) -> Scene:
    """The scene of a host in this condition, with every default filled in."""
    sites = tuple(all_sites(manifest, condition.unplugged))
    multi_plane = {hca.smi_of for site in sites for hca in site.holder.hcas.values()}
    ibdevs = tuple(
        _ibdev(site, name, hca, condition, name not in multi_plane)
        for site in sites
        for name, hca in site.holder.hcas.items()
    )
    netdevs = {netdev.name: netdev for netdev in _netdevs(manifest, sites, ibdevs)}
    modules = _modules(manifest, sites, ibdevs, netdevs)
    if condition.unplugged:  # unplugging unloads no module
        modules = resolve(manifest, numbers, Condition()).modules
    if "ib_ipoib" not in modules:
        netdevs = {n: dev for n, dev in netdevs.items() if dev.link_type != "infiniband"}
    return Scene(manifest, numbers, sites, _by_physfn(sites), ibdevs, netdevs, modules)


def _by_physfn(sites: tuple[Site, ...]) -> dict[str, list[Site]]:
    found: dict[str, list[Site]] = {}
    for site in sites:
        if site.function and site.function.physfn and not site.subfunction:
            found.setdefault(site.function.physfn, []).append(site)
    return found


def _ibdev(site: Site, name: str, hca: Hca, condition: Condition, issm: bool) -> Ibdev:
    driver = hca.driver or site.driver or ""
    node_guid, image_guid = _guids(site, name, hca)
    ports = tuple(_port(site, hca, node_guid, condition, (name, number)) for number in hca.ports)
    family = FAMILIES.get(driver, _NO_FAMILY)
    has_issm = issm if hca.issm is None else hca.issm
    return Ibdev(name, site, hca, driver, family, node_guid, image_guid, ports, has_issm)


def _guids(site: Site, name: str, hca: Hca) -> tuple[str, str]:
    """node_guid and sys_image_guid. The functions of a card, and its VFs, share the latter."""
    if site.address is None or site.function is None:
        own = hca.node_guid or identity.guid(identity.serial_of_name(name))
        return own, own
    card = site.function.physfn or site.address
    image = identity.guid(identity.serial_of_function(card.partition(".")[0] + ".0"))
    if site.subfunction is not None:
        return hca.node_guid or identity.guid(identity.serial_of_name(name)), image
    return hca.node_guid or identity.guid(identity.serial_of_function(site.address)), image


def _port(
    site: Site, hca: Hca, node_guid: str, condition: Condition, which: tuple[str, int]
) -> IbPort:
    number = which[1]
    spec = hca.ports[number]
    protocol = port_protocol(site, hca, number)
    over_ib = protocol in {"ib", "opa"}
    # With mlx4, the GUID of a port is that of the node plus the port's number.
    own_guid = identity.guid_plus(node_guid, number) if site.driver == "mlx4_core" else node_guid
    return IbPort(
        number=number,
        protocol=protocol,
        link_layer=_LINK_LAYER.get(protocol, "Ethernet"),
        now=condition.ports.get(which) or _initial_state(spec, over_ib),
        rate=spec.rate or rate_of(site.function.device if site.function else None),
        lid=_lid(spec, node_guid) if over_ib else 0,
        sm_lid=spec.sm_lid if over_ib else 0,
        guid=spec.guid or own_guid,
        netdev=_netdev_of_port(site, spec, number),
        slots=0 if protocol == "raw" else 1 if protocol in {"efa", "iw"} else spec.gids,
        counters=condition.counters.get(which, {}),
    )


def _initial_state(spec: Port, over_ib: bool) -> PortState:
    down = "Polling" if over_ib else "Disabled"
    implied = down if spec.state in {"NOP", "DOWN"} else "LinkUp"
    return PortState(spec.state, spec.phys_state or implied)


def _lid(spec: Port, node_guid: str) -> int:
    if spec.lid is not None:
        return spec.lid
    configured = spec.state in {"ARMED", "ACTIVE", "ACTIVE_DEFER"}
    return 2 + int(node_guid[-4:], 16) % 0x3FE if configured else 0xFFFF


def _netdev_of_port(site: Site, spec: Port, number: int) -> str | None:
    if spec.netdev != "auto":
        return spec.netdev
    if site.is_virtual:
        return None
    fitting = (
        name
        for name, net in site.holder.net.items()
        if net.carries_a_port and net.dev_port == number - 1
    )
    return next(fitting, None)


def _netdevs(
    manifest: Manifest, sites: tuple[Site, ...], ibdevs: tuple[Ibdev, ...]
) -> Iterator[Netdev]:
    port_of = {p.netdev: p for ibdev in ibdevs for p in ibdev.ports if p.netdev is not None}
    master_of = {slave: name for name, bond in manifest.bonds.items() for slave in bond.slaves}
    virtual = sites[-1]
    yield Netdev("lo", virtual, Net(), "loopback", "00:00:00:00:00:00", True, None)
    addresses = {}
    for site in sites:
        for index, (name, net) in enumerate(site.holder.net.items()):
            netdev = _netdev(site, index, name, net, port_of.get(name), master_of.get(name))
            addresses[name] = netdev.address
            yield netdev
    for name, bond in manifest.bonds.items():
        address = _bond_address(name, bond, addresses)
        yield Netdev(name, virtual, Net(), "ether", address, True, None)


def _netdev(
    site: Site, index: int, name: str, net: Net, port: IbPort | None, master: str | None
) -> Netdev:
    link_type = net.type or _link_type(net, port)
    own = site.address is not None and site.subfunction is None and index == 0
    serial = (
        identity.serial_of_function(site.address)
        if own and site.address is not None
        else identity.serial_of_name(name)
    )
    address = net.mac or identity.mac(serial)
    if link_type == "infiniband":
        address = identity.ipoib_address(port.guid if port else identity.guid(serial))
    up = (port is None or port.now.state == "ACTIVE") if net.up is None else net.up
    return Netdev(name, site, net, link_type, address, up, master)


def _link_type(net: Net, port: IbPort | None) -> str:
    over_ib = net.child_of is not None or (port is not None and port.link_layer == "InfiniBand")
    return "infiniband" if over_ib else "ether"


def _bond_address(name: str, bond: Bond, addresses: Mapping[str, str]) -> str:
    present = (addresses[slave] for slave in bond.slaves if slave in addresses)
    return next(present, identity.mac(identity.serial_of_name(name)))


def _modules(
    manifest: Manifest,
    sites: tuple[Site, ...],
    ibdevs: tuple[Ibdev, ...],
    netdevs: Mapping[str, Netdev],
) -> frozenset[str]:
    implied = {site.driver.replace("-", "_") for site in sites if site.driver is not None}
    implied -= {"pcieport"}  # built in
    if ibdevs:
        implied |= {"ib_core", "ib_uverbs", "ib_umad", "rdma_cm", "rdma_ucm"}
    implied |= {ibdev.family.module for ibdev in ibdevs if ibdev.family.module}
    if manifest.bonds:
        implied.add("bonding")
    if any(netdev.link_type == "infiniband" for netdev in netdevs.values()):
        implied.add("ib_ipoib")
    return frozenset(implied | set(manifest.loaded)) - frozenset(manifest.not_loaded)
