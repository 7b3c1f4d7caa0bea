"""RoCE in /sys: the ports that use it, their GID tables, and the RoCE MTU of a netdev MTU."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rdma_dp.host.files import Host
from rdma_dp.host.paths import CLASS_INFINIBAND
from rdma_dp.inventory.hardware import Hca, Port

_IWARP = "4"  # node_type "4: RNIC" (kernel include/rdma/ib_verbs.h, enum rdma_node_type)

# The headers of RoCE v2: GRH 40, UDP 8, BTH 12, XRC 4, atomics 28, ICRC 4 bytes
# (kernel include/rdma/ib_addr.h, iboe_get_mtu).
_HEADERS = 96
_IB_MTUS = (4096, 2048, 1024, 512, 256)
LARGEST_MTU = _IB_MTUS[0]
ENOUGH_MTU = LARGEST_MTU + _HEADERS

V1, V2 = "IB/RoCE v1", "RoCE v2"  # ports/N/gid_attrs/types/K (drivers/infiniband/core/cache.c)


def roce_mtu(netdev_mtu: int) -> int | None:
    """The largest InfiniBand MTU that fits into the MTU of a netdev; None if none fits."""
    return next((mtu for mtu in _IB_MTUS if mtu + _HEADERS <= netdev_mtu), None)


def roce_ports(host: Host, hca: Hca) -> tuple[Port, ...]:
    """The Ethernet ports of an HCA; none for an iWARP HCA."""
    ports = tuple(port for port in hca.ports if port.link_layer == "Ethernet")
    if not ports or hca.protocol == "iw":
        return ()
    node_type = host.read_or_none(f"{CLASS_INFINIBAND}/{hca.name}/node_type") or ""
    return () if node_type.partition(":")[0] == _IWARP else ports


@dataclass(frozen=True, slots=True)
class GidTable:
    """The GID table of a port: the number of its slots, and the type of each used slot.

    A type is None where the node does not show it.
    """

    port: int
    size: int
    used: Mapping[str, str | None]

    @property
    def free(self) -> int:
        """The number of free slots."""
        return self.size - len(self.used)


def gid_table(host: Host, hca: Hca, port: Port) -> GidTable | None:
    """The table of a port; None if the tree does not have it."""
    directory = f"{CLASS_INFINIBAND}/{hca.name}/ports/{port.number}"
    if not host.is_directory(f"{directory}/gids"):
        return None
    slots = [slot for slot in host.entries(f"{directory}/gids") if slot.isdecimal()]
    used = dict(_used(host, directory, slots))
    return GidTable(port.number, len(slots), used)


def _used(host: Host, directory: str, slots: list[str]) -> Iterator[tuple[str, str | None]]:
    """The used slots. A free slot reads as zeros, and reading its type fails with EINVAL."""
    for slot in slots:
        gid = host.read_or_none(f"{directory}/gids/{slot}")
        if gid and gid.strip("0:"):
            yield slot, host.read_or_none(f"{directory}/gid_attrs/types/{slot}") or None
