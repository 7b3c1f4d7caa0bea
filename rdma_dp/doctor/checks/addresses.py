"""The addresses of RoCE ports, as their GID tables show them."""

from collections.abc import Iterator

from rdma_dp.doctor.check import Finding, check, ok, unknown, warn
from rdma_dp.doctor.facts.link_commands import pf_of
from rdma_dp.doctor.facts.roce import gid_table, roce_ports
from rdma_dp.host.files import Host
from rdma_dp.host.paths import CLASS_INFINIBAND
from rdma_dp.inventory.hardware import Hca, Port
from rdma_dp.node.view import NodeView
from rdma_dp.text import counted

_LINK_LOCAL = "fe80:"  # fe80::/64 (RFC 4291, 2.5.6), as the kernel writes the first GIDs


@check(
    "fabric-addresses",
    "RoCE ports with an address",
    reads="/sys/class/infiniband/HCA/ports/N/gids",
    remedies=("ip addr add ADDRESS/PREFIX dev NETDEV",),
)
def addresses(node: NodeView) -> Iterator[Finding]:
    """A RoCE port whose netdev has no address has only link-local GIDs (fe80::). They do not work
    across routers, and NCCL, MPI and rdma_cm often cannot connect with them even within one network
    segment. Pods with `hostNetwork` use the addresses of the node, so their connections to other
    nodes fail. Pods with an interface of their own over the port (macvlan, ipvlan, a VF) use the
    address of that interface. If all pods have one, ignore the warning.

    The check reads ports that are ACTIVE and whose netdev is in the host's namespace. It does not
    read VFs and SFs, which get an address in the pod. For ports without any GID see fabric-gids.
    """
    ports = [
        (hca, port, _gids(node.host, hca, port))
        for hca in node.concerned
        if pf_of(node.inventory, hca) is None
        for port in roce_ports(node.host, hca)
        if port.state in (None, "ACTIVE")
    ]
    for hca, port, gids in ports:
        if gids and all(gid.startswith(_LINK_LOCAL) for gid in gids):
            yield warn(
                f"port {port.number} has only link-local GIDs: its netdev has no address, so pods"
                " with hostNetwork cannot connect to other nodes",
                f"ip addr add ADDRESS/PREFIX dev {_netdev(hca, port)}",
                subject=hca.name,
            )
    shown = sum(1 for _, _, gids in ports if gids)
    if shown:
        yield ok(f"{counted(shown, 'RoCE port')} with an address")
    elif ports:
        yield unknown("no RoCE port with a netdev in this network namespace shows a GID")


def _gids(host: Host, hca: Hca, port: Port) -> list[str]:
    """The GIDs in use; [] where the node shows none, or no netdev of the port."""
    table = gid_table(host, hca, port) if port.netdevs else None
    directory = f"{CLASS_INFINIBAND}/{hca.name}/ports/{port.number}/gids"
    slots = table.used if table else ()
    return [(host.read_or_none(f"{directory}/{slot}") or "").lower() for slot in slots]


def _netdev(hca: Hca, port: Port) -> str:
    """The netdev to give an address: the bond over the netdevs of the port, if there is one."""
    bonds = (each.bond for each in hca.netdevs if each.name in port.netdevs and each.bond)
    return next(bonds, port.netdevs[0])


CHECKS = (addresses,)
