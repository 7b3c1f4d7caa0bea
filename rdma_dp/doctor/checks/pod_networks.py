"""Pods that hold an HCA with RoCE: their networks and addresses."""

from collections.abc import Iterator

from rdma_dp.doctor.check import Finding, check, ok, unknown, warn
from rdma_dp.doctor.facts.holders import HeldContainer, Holders, find_holders
from rdma_dp.host import containers, processes
from rdma_dp.host.files import Host
from rdma_dp.host.paths import CLASS_INFINIBAND
from rdma_dp.inventory.hardware import Hca
from rdma_dp.node.view import NodeView
from rdma_dp.text import counted

_ANNOTATION = "k8s.v1.cni.cncf.io/networks: NETWORK"
_GIDS = "rdma-dp discover -o wide"
_SHOWN = 4  # addresses in a line of evidence


@check(
    "pod-network",
    "Pods with RoCE have a network beside the cluster's",
    reads="/proc/PID/net/dev",
    remedies=(_ANNOTATION,),
)
def network(node: NodeView) -> Iterator[Finding]:
    """RoCE needs an address on the HCA's own network. A pod that has only eth0 has no such address,
    unless it uses the node's network or its eth0 is on the HCA. Its RDMA programs fall back to TCP
    or find no route.
    """
    holders = find_holders(node)
    yield from holders.not_inspected
    held = _with_roce(holders)
    for each in held:
        if containers.shares_namespace(node.host, each.main, "net"):
            continue
        table = containers.large(node.host, f"proc/{each.main}/net/dev")
        found = processes.interfaces(table or "")
        if table is None:
            yield unknown("its interfaces cannot be read", subject=each.subject)
        elif len(found) < 2 and not _is_on_an_hca(node.host, each):
            evidence = f"holds {_names_of(each.roce)}, but has only {', '.join(found) or 'lo'}"
            yield warn(evidence, _ANNOTATION, subject=each.subject)
    yield ok(f"{counted(len(held), 'container')} with RoCE, on a second network or the node's")


@check(
    "pod-gid",
    "Pods' addresses are GIDs of their HCAs",
    reads="/proc/PID/net/{fib_trie,if_inet6}, /sys/class/infiniband/HCA/ports/N/gids",
    remedies=(_GIDS, _ANNOTATION),
)
def gids(node: NodeView) -> Iterator[Finding]:
    """With RoCE an HCA sends from a GID. It has one for each address of its netdev and of the
    interfaces over that netdev. An address that is not a GID is on a netdev of another device.
    """
    holders = find_holders(node)
    yield from holders.not_inspected
    held = _with_roce(holders)
    tables = {hca.name: hca for each in held for hca in each.roce}
    of = {name: _gids(node.host, hca) for name, hca in tables.items()}  # each table once
    for each in held:
        theirs = _addresses(node.host, each.main)
        known = frozenset[processes.Address]().union(*(of[hca.name] for hca in each.roce))
        if theirs is None or not known:
            evidence = f"its addresses or the GIDs of {_names_of(each.roce)} cannot be read"
            yield unknown(evidence, subject=each.subject)
        elif not theirs & known:
            shown = ", ".join(sorted(map(str, theirs))[:_SHOWN]) or "none"
            evidence = f"none of its addresses ({shown}) is a GID of {_names_of(each.roce)}"
            yield warn(evidence, _GIDS, _ANNOTATION, subject=each.subject)
    yield ok(f"{counted(len(held), 'container')} with RoCE, each with an address that is a GID")


def _with_roce(holders: Holders) -> list[HeldContainer]:
    return [each for each in holders.running if each.roce]


def _is_on_an_hca(host: Host, each: HeldContainer) -> bool:
    theirs = _addresses(host, each.main) or frozenset()
    return any(theirs & _gids(host, hca) for hca in each.roce)


def _names_of(hcas: tuple[Hca, ...]) -> str:
    return ", ".join(hca.name for hca in hcas)


def _addresses(host: Host, pid: int) -> frozenset[processes.Address] | None:
    trie = containers.large(host, f"proc/{pid}/net/fib_trie")
    six = containers.large(host, f"proc/{pid}/net/if_inet6")  # absent without IPv6
    return None if trie is None else processes.addresses(trie, six or "")


def _gids(host: Host, hca: Hca) -> frozenset[processes.Address]:
    ports = (f"{CLASS_INFINIBAND}/{hca.name}/ports/{port.number}/gids" for port in hca.ports)
    files = (f"{port}/{index}" for port in ports for index in host.entries(port))
    found = (processes.gid_address(host.read_or_none(file) or "") for file in files)
    return frozenset(address for address in found if address is not None)


CHECKS = (network, gids)
