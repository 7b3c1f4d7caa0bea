"""Ports of an HCA, and which netdevs belong to which of them."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

from rdma_dp.discovery.netdevs import NetLink, NetLinks
from rdma_dp.host.files import Host, HostError
from rdma_dp.host.paths import CLASS_INFINIBAND
from rdma_dp.inventory.hardware import Port

# A port's state where the driver answers with an error: a firmware that does not respond, say.
UNREADABLE = "UNREADABLE"

# No port has this number: they count from 1.
UNKNOWN_PORT = 0


def read_ports(host: Host, hca: str) -> tuple[Port, ...]:
    """The ports in sysfs, without netdevs. Reads no counters: those are firmware commands."""
    directory = f"{CLASS_INFINIBAND}/{hca}/ports"
    numbers = sorted(int(name) for name in host.entries(directory) if name.isdecimal())
    return tuple(_read_port(host, f"{directory}/{number}", number) for number in numbers)


def read_state(host: Host, hca: str, number: int) -> str | None:
    """The state of one port alone: "ACTIVE"."""
    return _state(host, f"{CLASS_INFINIBAND}/{hca}/ports/{number}")


def _read_port(host: Host, path: str, number: int) -> Port:
    return Port(
        number=number,
        state=_state(host, path),
        phys_state=_word(host.read_or_none(f"{path}/phys_state")),
        link_layer=host.read_or_none(f"{path}/link_layer") or None,
        rate=_rate(host.read_or_none(f"{path}/rate")),
    )


def _state(host: Host, path: str) -> str | None:
    """A state that cannot be read is no reason to lose the HCA, nor a port to count on."""
    try:
        return _word(host.read(f"{path}/state"))
    except HostError:
        return UNREADABLE


def _word(text: str | None) -> str | None:
    """ "4: ACTIVE" -> "ACTIVE"."""
    return text.rpartition(":")[2].strip() or None if text else None


def _rate(text: str | None) -> float | None:
    """ "400 Gb/sec (4X NDR)" -> 400.0."""
    number = re.match(r"\d{1,9}(\.\d{1,9})?(?= Gb/sec)", text or "", re.ASCII)
    return float(number[0]) if number else None


def assign_netdevs(
    ports: Iterable[Port],
    own: Iterable[NetLink],
    from_netlink: Iterable[tuple[int, NetLink]],
    guids: Mapping[int, str],
) -> dict[int, list[NetLink]]:
    """The netdevs of each port; under UNKNOWN_PORT those of the HCA whose port nothing tells.

    `own`: the netdevs below the HCA's function or subfunction. `from_netlink`: what the kernel
    says outright; it wins. `guids`: the port GUIDs that are known, as 16 hex digits.
    """
    numbers = [port.number for port in ports]
    assigned: dict[int, list[NetLink]] = defaultdict(list)
    told = set()
    for port, link in from_netlink:
        told.add(link.name)
        if not link.representor:
            assigned[port].append(link)
    for link in own:
        if link.representor or link.name in told:
            continue
        if _is_of_another_hca(link, numbers, guids):
            continue
        assigned[_port_of(link, numbers, guids)].append(link)
    return assigned


def _is_of_another_hca(link: NetLink, numbers: list[int], guids: Mapping[int, str]) -> bool:
    """Whether an IPoIB netdev carries the GUID of none of the ports, though all are known."""
    guid = _ipoib_guid(link)
    return guid is not None and len(guids) == len(numbers) > 0 and guid not in guids.values()


def _port_of(link: NetLink, numbers: list[int], guids: Mapping[int, str]) -> int:
    guid = _ipoib_guid(link)
    for number, known in guids.items():
        if guid == known:
            return number
    if len(numbers) == 1:
        return numbers[0]
    number = link.port_index + 1  # ports count from 1, dev_port from 0
    return number if number in numbers else UNKNOWN_PORT


def _ipoib_guid(link: NetLink) -> str | None:
    """The port GUID inside an IPoIB hardware address: 1 flag, 3 QPN and 16 GID bytes."""
    octets = (link.hardware_address or "").split(":")
    if link.link_type != "infiniband" or len(octets) != 20:
        return None
    return "".join(octets[12:])


def read_port_guids(host: Host, hca: str, ports: Iterable[Port]) -> dict[int, str]:
    """The GUID of each InfiniBand port: the lower half of its first GID.

    Not the HCA's node_guid, which differs from it on mlx4 and on VFs.
    """
    guids = {}
    for port in ports:
        gid = host.read(f"{CLASS_INFINIBAND}/{hca}/ports/{port.number}/gids/0")
        digits = (gid or "").replace(":", "")
        if len(digits) == 32 and digits[16:].strip("0"):
            guids[port.number] = digits[16:]
    return guids


def gid_netdevs(host: Host, links: NetLinks, hca: str, port: int) -> list[NetLink]:
    """The netdevs that a RoCE port's GID table names; the slots are sparse.

    Only for ports that nothing else explains: a table may have hundreds of slots.
    """
    directory = f"{CLASS_INFINIBAND}/{hca}/ports/{port}/gid_attrs/ndevs"
    names = (host.read(f"{directory}/{slot}") for slot in host.entries(directory))
    found = (links.named(name) for name in dict.fromkeys(names) if name)
    return [link for link in found if link is not None]
