"""The ports of an HCA, and the netdevs of each port."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from rdma_dp.discovery.netdevs import NetLink, NetLinks
from rdma_dp.host.files import Host, HostError
from rdma_dp.host.paths import CLASS_INFINIBAND
from rdma_dp.inventory.hardware import Port

# The state of a port whose driver returns an error, for example when the firmware does not respond.
UNREADABLE = "UNREADABLE"

# The number for netdevs without a known port. Ports count from 1.
UNKNOWN_PORT = 0


def read_ports(host: Host, hca: str) -> tuple[Port, ...]:
    """The ports in sysfs, without netdevs. Reads no counters: each is a firmware command."""
    directory = f"{CLASS_INFINIBAND}/{hca}/ports"
    numbers = sorted(int(name) for name in host.entries(directory) if name.isdecimal())
    return tuple(_read_port(host, f"{directory}/{number}", number) for number in numbers)


def read_state(host: Host, hca: str, number: int) -> str | None:
    """The state of one port, such as "ACTIVE"."""
    return _state(host, f"{CLASS_INFINIBAND}/{hca}/ports/{number}")


def _read_port(host: Host, path: str, number: int) -> Port:
    return Port(
        number=number,
        state=_state(host, path),
        phys_state=parsed_word(host.read_or_none(f"{path}/phys_state")),
        link_layer=host.read_or_none(f"{path}/link_layer") or None,
        rate=parsed_rate(host.read_or_none(f"{path}/rate")),
    )


def _state(host: Host, path: str) -> str | None:
    """The state; UNREADABLE on an error, so that the other ports of the HCA stay in use."""
    try:
        return parsed_word(host.read(f"{path}/state"))
    except HostError:
        return UNREADABLE


def parsed_word(text: str | None) -> str | None:
    """ "4: ACTIVE" -> "ACTIVE"."""
    return text.rpartition(":")[2].strip() or None if text else None


def parsed_rate(text: str | None) -> float | None:
    """ "400 Gb/sec (4X NDR)" -> 400.0."""
    number = re.match(r"\d{1,9}(\.\d{1,9})?(?= Gb/sec)", text or "", re.ASCII)
    return float(number[0]) if number else None


def assign_netdevs(
    ports: Iterable[Port],
    own: Iterable[NetLink],
    from_netlink: Iterable[tuple[int, NetLink]],
    guids: Mapping[int, str],
) -> dict[int, list[NetLink]]:
    """The netdevs of each port; under UNKNOWN_PORT the netdevs of the HCA without a known port.

    `own` are the netdevs below the HCA's function or subfunction. `from_netlink` are the pairs that
    netlink reports; they have priority. `guids` are the known port GUIDs, as 16 hex digits.
    """
    numbers = [port.number for port in ports]
    assigned: dict[int, list[NetLink]] = defaultdict(list)
    assigned_names = set()
    for port, link in from_netlink:
        assigned_names.add(link.name)
        if not link.representor:
            assigned[port].append(link)
    for link in own:
        if link.representor or link.name in assigned_names:
            continue
        if _is_of_another_hca(link, numbers, guids):
            continue
        assigned[_port_of(link, numbers, guids)].append(link)
    return assigned


def _is_of_another_hca(link: NetLink, numbers: list[int], guids: Mapping[int, str]) -> bool:
    """Whether an IPoIB netdev has a GUID that none of the ports has. All GUIDs must be known."""
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

    The HCA's node_guid is not used: it differs from the port GUID on mlx4 and on VFs.
    """
    guids = {}
    for port in ports:
        gid = host.read(f"{CLASS_INFINIBAND}/{hca}/ports/{port.number}/gids/0")
        digits = (gid or "").replace(":", "")
        if len(digits) == 32 and digits[16:].strip("0"):
            guids[port.number] = digits[16:]
    return guids


def gid_netdevs(host: Host, links: NetLinks, hca: str, port: int) -> list[NetLink]:
    """The netdevs in the GID table of a RoCE port. Many entries of the table are empty.

    Used only for ports without another source, since a table may have hundreds of entries.
    """
    found = (links.named(name) for name in dict.fromkeys(gid_netdev_names(host, hca, port)))
    return [link for link in found if link is not None]


def gid_netdev_names(host: Host, hca: str, port: int) -> Iterator[str]:
    """The names in the GID table of a RoCE port, also those of other network namespaces."""
    directory = f"{CLASS_INFINIBAND}/{hca}/ports/{port}/gid_attrs/ndevs"
    names = (host.read(f"{directory}/{slot}") for slot in host.entries(directory))
    return (name for name in names if name)
