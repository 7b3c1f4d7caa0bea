"""Finds changes for which the kernel sends no event. It is cheap enough to run every few seconds.

The kernel sends no event when an InfiniBand port changes its state, nor when the mode of the
network namespaces changes. In a user namespace and with a captured tree there are no events at all,
so HCAs that appear and disappear are found here too.
"""

from collections.abc import Callable, Set
from dataclasses import dataclass

from rdma_dp.discovery.ports import read_state
from rdma_dp.discovery.scan import scan
from rdma_dp.host.events import LINK_EVENTS, UEVENTS
from rdma_dp.host.files import Host, HostError
from rdma_dp.host.netlink.links import index_of
from rdma_dp.host.paths import (
    CLASS_HFI1,
    CLASS_INFINIBAND,
    CLASS_IPATH,
    CLASS_MAD,
    CLASS_NET,
    CLASS_VERBS,
    NETNS_MODE,
    RDMA_CM,
)
from rdma_dp.inventory.hardware import Hca, Inventory, Port

# Drivers of PCI functions whose ports have a state of their own (drivers/infiniband/hw,
# vmw_pvrdma/pvrdma_verbs.c and qedr/verbs.c), or one that depends on an IPv4 address
# (usnic/usnic_ib_verbs.c, cxgb4/provider.c). No link event reports a change of either.
_OWN_STATES = frozenset({"vmw_pvrdma", "qede", "cxgb4", "usnic_verbs"})

# Ports that one check reads at most: about a millisecond of CPU time. What happens to a PF or to a
# switch shows at many ports, and the first one that differs causes a scan of all.
MOST_PORTS = 64

_NO_EVENTS: Set[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What can be read fast: names of devices, and the mode of the network namespaces."""

    hcas: tuple[str, ...]
    uverbs: tuple[str, ...]
    umads: tuple[str, ...]
    driver_nodes: tuple[str, ...]
    rdma_cm: bool
    netns_mode: str | None


@dataclass(frozen=True, slots=True)
class Found:
    """What a scan has found.

    `fingerprint` is None if the host changed during the scan. `ports_with_events` are the ports of
    which a link event reports each change of the state.
    """

    fingerprint: Fingerprint | None
    inventory: Inventory
    ports_with_events: frozenset[tuple[str, int]] = frozenset()


def scan_with_fingerprint(host: Host, index_of: Callable[[str], int | None] = index_of) -> Found:
    """A scan and its fingerprint. `index_of` returns the index of a netdev for this process.

    The fingerprint is read before and after the scan. A device that disappears during the scan and
    returns later would otherwise not be noticed: the fingerprint from before has the device. Raises
    HostError.
    """
    before, inventory, after = _fingerprint(host), scan(host), _fingerprint(host)
    with_events = _ports_with_events(host, inventory, index_of) if host.live else frozenset()
    return Found(after if after == before else None, inventory, with_events)


def differs(host: Host, found: Found, heard: Set[str] = _NO_EVENTS, turn: int = 0) -> bool:
    """Whether a new scan would find other HCAs, devices, port states or another mode.

    `heard` are the names of the sources whose events come to this process, as in host/events.py.
    What they report is not read. The port states are compared with those of the last scan, so no
    change is missed. With more than MOST_PORTS ports, `turn` counts the checks, and each reads a
    part of the ports of every PF. Raises ExhaustedError.
    """
    before = found.fingerprint
    try:
        with host.at_one_moment():
            if before is None or before.netns_mode != host.read_or_none(NETNS_MODE):
                return True
            if UEVENTS not in heard and _fingerprint(host) != before:
                return True
            return any(
                read_state(host, name, number) != state
                for name, number, state in _in_turn(_without_events(found, heard), turn)
            )
    except HostError:
        return True


def events_report_all(found: Found, heard: Set[str]) -> bool:
    """Whether events report every change but one of the mode of the network namespaces."""
    return UEVENTS in heard and found.fingerprint is not None and not _without_events(found, heard)


# The HCA, the number and the last state of a port.
_PortState = tuple[str, int, str | None]


def _without_events(found: Found, heard: Set[str]) -> list[_PortState]:
    """The ports of which no event reports a change of the state."""
    # Both: only a uevent has the old name of a virtual netdev that was renamed.
    with_events = found.ports_with_events if {LINK_EVENTS, UEVENTS} <= heard else frozenset()
    return [
        (hca.name, port.number, port.state)
        for hca, port in _shared_ports(found.inventory)
        if (hca.name, port.number) not in with_events
    ]


def _in_turn(ports: list[_PortState], turn: int) -> list[_PortState]:
    turns = -(-len(ports) // MOST_PORTS) or 1
    return ports[turn % turns :: turns]


def _shared_ports(inventory: Inventory) -> list[tuple[Hca, Port]]:
    return [(hca, port) for hca in inventory.hcas if hca.shareable for port in hca.ports]


def _ports_with_events(
    host: Host, inventory: Inventory, index_of: Callable[[str], int | None]
) -> frozenset[tuple[str, int]]:
    """The Ethernet ports whose netdevs are in the network namespace of this process.

    The state of such a port is the carrier of its netdev (kernel include/rdma/ib_verbs.h,
    ib_get_curr_port_state). Link events come only from netdevs of the own namespace, and a mounted
    /sys may show those of another one.
    """
    return frozenset(
        (hca.name, port.number)
        for hca, port in _shared_ports(inventory)
        if port.link_layer == "Ethernet"
        and port.netdevs
        and hca.protocol != "iw"  # core/device.c, iw_query_port: INIT without an IPv4 address
        and (hca.function is None or hca.function.driver not in _OWN_STATES)
        and all(
            index_of(netdev) == host.read_int(f"{CLASS_NET}/{netdev}/ifindex") is not None
            for netdev in port.netdevs
        )
    )


def _fingerprint(host: Host) -> Fingerprint:
    return Fingerprint(
        hcas=host.entries(CLASS_INFINIBAND),
        uverbs=host.entries(CLASS_VERBS),
        umads=host.entries(CLASS_MAD),
        driver_nodes=(*host.entries(CLASS_HFI1), *host.entries(CLASS_IPATH)),
        rdma_cm=host.is_directory(RDMA_CM),
        netns_mode=host.read_or_none(NETNS_MODE),
    )
