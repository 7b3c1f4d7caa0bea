"""Pods that hold a resource of ours, and do not get out of it what they could."""

from collections.abc import Iterator
from dataclasses import dataclass

from rdma_dp.doctor.check import Finding, check, ok, unknown, warn
from rdma_dp.doctor.facts import containers
from rdma_dp.doctor.facts.containers import Container, Name
from rdma_dp.doctor.facts.roce import roce_ports
from rdma_dp.host import processes
from rdma_dp.host.files import Host, HostError
from rdma_dp.host.paths import CLASS_INFINIBAND
from rdma_dp.inventory.hardware import Hca
from rdma_dp.kubelet.views import PodResources
from rdma_dp.node.view import NodeView
from rdma_dp.text import counted

# Seconds until a container without a queue pair is worth a word: data loads, ranks wait for more.
PATIENCE = 300

# That pod has the node's processes, and its files below /host.
_ON_THE_NODE = (
    "kubectl debug node/NODE -it --profile=sysadmin --image=IMAGE --"
    " rdma-dp doctor --kubelet-root-dir /host/var/lib/kubelet"
)
_CONFIG = "rdma-dp doctor --config FILE"
_AS_ROOT = "sudo rdma-dp doctor  # on the node itself"
_IPC_LOCK = 'securityContext: {capabilities: {add: ["IPC_LOCK"]}}'
_UNLIMITED = "systemctl edit containerd  # [Service] LimitMEMLOCK=infinity; then restart it"
_ANNOTATION = "k8s.v1.cni.cncf.io/networks: NETWORK"
_GIDS = "rdma-dp discover -o wide"
_NCCL = "NCCL_DEBUG=INFO NCCL_DEBUG_SUBSYS=INIT,NET in the pod's env; look for NET/IB or NET/Socket"


@dataclass(frozen=True, slots=True)
class Held:
    """A container that holds a resource of ours, and the HCAs whose uverbs nodes it has.

    `roce` are those of them that speak RoCE.
    """

    name: Name
    container: Container
    hcas: tuple[Hca, ...]
    roce: tuple[Hca, ...]

    @property
    def main(self) -> int:
        """Its main process."""
        return self.container.main


class Unseen(Exception):  # noqa: N818 (it is no error)
    """Why pods cannot be looked at, as a finding."""

    def __init__(self, finding: Finding) -> None:
        self.finding = finding


def _held(node: NodeView) -> tuple[tuple[Held, ...], tuple[Name, ...]]:
    """The containers, and the names of those without a process. Raises Unseen, HostError."""
    wanted = _holders(node)
    if not wanted:
        return (), ()
    if not containers.sees_all_processes(node.host):
        raise Unseen(
            unknown("/proc does not have the node's processes (hostPID)", _ON_THE_NODE, _AS_ROOT)
        )
    names = containers.names(node.host)
    if not names:
        raise Unseen(
            unknown("the node's /var/log/containers, which names containers, is not to be seen")
        )
    found = {names.get(each.of.container): each for each in containers.running(node.host)}
    held = tuple(_of(node, name, found[name]) for name in wanted if name in found)
    return held, tuple(name for name in wanted if name not in found)


def _of(node: NodeView, name: Name, container: Container) -> Held:
    hcas = _hcas(node, container.main)
    return Held(name, container, hcas, tuple(h for h in hcas if roce_ports(node.host, h)))


def _holders(node: NodeView) -> tuple[Name, ...]:
    view = node.answers.kubelet
    if view is None:
        raise Unseen(unknown("kubelet could not be asked who holds what: see kubelet-socket"))
    if view.pod_resources is None:
        raise Unseen(
            unknown(
                f"kubelet could not be asked who holds what: {view.why_no_pod_resources}",
                f"mount {view.root}/pod-resources from the node (a hostPath)",
                _ON_THE_NODE,
                _AS_ROOT,
            )
        )
    ours = {pool.resource.full_name for pool in node.pools}
    ours |= {status.resource for status in view.statuses}
    if not ours:
        raise Unseen(
            unknown(
                "neither a config nor a running rdma-dp tells which resources to look for", _CONFIG
            )
        )
    return _names(view.pod_resources, ours)


def _names(book: PodResources, resources: set[str]) -> tuple[Name, ...]:
    held = (each for each in book.holders if each.resource in resources and each.ids)
    return tuple(dict.fromkeys(Name(h.namespace, h.pod, h.container) for h in held))


def _hcas(node: NodeView, pid: int) -> tuple[Hca, ...]:
    nodes = set(containers.uverbs(node.host, pid))
    return tuple(h for h in node.inventory.hcas if h.uverbs and h.uverbs.name in nodes)


def _each(node: NodeView) -> tuple[Held, ...]:
    """Raises HostError where not one of them can be looked at."""
    try:
        held, gone = _held(node)
    except (Unseen, HostError):
        raise HostError("pods cannot be looked at: see pod-processes") from None
    if gone and not held:
        raise HostError("no process of a holder was found: see pod-processes")
    return held


@check(
    "pod-processes",
    "The pods that hold RDMA can be looked at",
    looks_at="podresources List, /proc/PID/cgroup, the names in /var/log/containers",
    remedies=(_ON_THE_NODE, _AS_ROOT, "mount KUBELET_ROOT/pod-resources", _CONFIG),
)
def seen(node: NodeView) -> Iterator[Finding]:
    """The other checks of pods need to know who holds the resource, which only kubelet tells, and
    to see the node's processes. Where either is missing they say "unknown" and do not guess.
    """
    try:
        held, gone = _held(node)
    except Unseen as reason:
        yield reason.finding
        return
    for name in gone:
        evidence = (
            "holds the resource, but no process of it was found: it has ended, or only begins"
        )
        yield unknown(evidence, subject=str(name))
    for each in held:
        if not each.hcas:
            evidence = "holds the resource, but no uverbs node of an HCA is in its /dev/infiniband"
            yield warn(evidence, "kubectl -n NAMESPACE delete pod POD", subject=str(each.name))
    yield ok(f"{counted(len(held), 'container')} with RDMA")


@check(
    "pod-memlock",
    "Pods may lock memory",
    looks_at="/proc/PID/limits (Max locked memory), CapEff of /proc/PID/status",
    remedies=(_IPC_LOCK, _UNLIMITED),
)
def memlock(node: NodeView) -> Iterator[Finding]:
    """An HCA works on memory that is locked. Below an unlimited limit, and without IPC_LOCK, a
    program that registers more gets ENOMEM: "Cannot allocate memory" from ibv_reg_mr.
    """
    held = _each(node)
    for each in held:
        status = containers.status(node.host, each.main)
        limit = processes.locked_memory(node.host.read_or_none(f"proc/{each.main}/limits") or "")
        exempt = processes.may_lock_memory(status)
        if limit is None or exempt is None:
            yield unknown("its limits cannot be read", subject=str(each.name))
        elif limit >= 0 and not (exempt and _in_the_nodes_users(node.host, each.main)):
            evidence = f"may lock {limit // 1024} KiB and has no IPC_LOCK"
            yield warn(evidence, _IPC_LOCK, _UNLIMITED, subject=str(each.name))
    yield ok(f"{counted(len(held), 'container')} free to lock all memory")


def _in_the_nodes_users(host: Host, pid: int) -> bool:
    # The kernel asks for the capability in the first user namespace (ib_umem_get).
    return containers.shares_namespace(host, pid, "user")


@check(
    "pod-network",
    "Pods with RoCE have a network beside the cluster's",
    looks_at="/proc/PID/net/dev",
    remedies=(_ANNOTATION,),
)
def network(node: NodeView) -> Iterator[Finding]:
    """RoCE needs an address on the HCA's own network. A pod with nothing but eth0 has none, unless
    it runs in the node's network or eth0 itself is on the HCA; its RDMA programs fall back to TCP
    or find no route.
    """
    held = [each for each in _each(node) if each.roce]
    for each in held:
        if containers.shares_namespace(node.host, each.main, "net"):
            continue
        table = containers.large(node.host, f"proc/{each.main}/net/dev")
        found = processes.interfaces(table or "")
        if table is None:
            yield unknown("its interfaces cannot be read", subject=str(each.name))
        elif len(found) < 2 and not _is_on_an_hca(node.host, each):
            evidence = f"holds {_names_of(each.roce)}, but has only {', '.join(found) or 'lo'}"
            yield warn(evidence, _ANNOTATION, subject=str(each.name))
    yield ok(f"{counted(len(held), 'container')} with RoCE, on a second network or the node's")


def _is_on_an_hca(host: Host, each: Held) -> bool:
    theirs = _addresses(host, each.main) or frozenset()
    return any(theirs & _gids(host, hca) for hca in each.roce)


def _names_of(hcas: tuple[Hca, ...]) -> str:
    return ", ".join(hca.name for hca in hcas)


@check(
    "pod-gid",
    "Pods' addresses are GIDs of their HCAs",
    looks_at="/proc/PID/net/{fib_trie,if_inet6}, /sys/class/infiniband/HCA/ports/N/gids",
    remedies=(_GIDS, _ANNOTATION),
)
def gids(node: NodeView) -> Iterator[Finding]:
    """With RoCE an HCA sends from a GID, which it has for each address of its netdev and of what is
    stacked on that. An address that is no GID is on another netdev than the HCA's.
    """
    held = [each for each in _each(node) if each.roce]
    tables = {hca.name: hca for each in held for hca in each.roce}
    of = {name: _gids(node.host, hca) for name, hca in tables.items()}  # each table once
    for each in held:
        theirs = _addresses(node.host, each.main)
        known = frozenset[processes.Address]().union(*(of[hca.name] for hca in each.roce))
        if theirs is None or not known:
            evidence = f"its addresses or the GIDs of {_names_of(each.roce)} cannot be read"
            yield unknown(evidence, subject=str(each.name))
        elif not theirs & known:
            told = ", ".join(sorted(map(str, theirs))[:4]) or "none"
            evidence = f"no address of it ({told}) is a GID of {_names_of(each.roce)}"
            yield warn(evidence, _GIDS, _ANNOTATION, subject=str(each.name))
    yield ok(f"{counted(len(held), 'container')} with RoCE, each with an address that is a GID")


def _addresses(host: Host, pid: int) -> frozenset[processes.Address] | None:
    trie = containers.large(host, f"proc/{pid}/net/fib_trie")
    six = containers.large(host, f"proc/{pid}/net/if_inet6")  # not there without IPv6
    return None if trie is None else processes.addresses(trie, six or "")


def _gids(host: Host, hca: Hca) -> frozenset[processes.Address]:
    ports = (f"{CLASS_INFINIBAND}/{hca.name}/ports/{port.number}/gids" for port in hca.ports)
    files = (f"{port}/{index}" for port in ports for index in host.entries(port))
    found = (processes.gid_address(host.read_or_none(file) or "") for file in files)
    return frozenset(address for address in found if address is not None)


@check(
    "pod-queue-pairs",
    "Pods use the HCAs that they hold",
    looks_at="RDMA netlink, RES_QP_GET; /proc/TID/cgroup",
    remedies=(_NCCL,),
)
def queue_pairs(node: NodeView) -> Iterator[Finding]:
    """Whatever sends over RDMA owns a queue pair. A container that has been running for five
    minutes without one is idle, or sends over TCP, as NCCL does when it finds no HCA to use. Queue
    pairs that a program makes past the kernel (DEVX: NVSHMEM's IBGDA, UCX with dc_x alone) are not
    to be seen: for such a program the warning means nothing.
    """
    held = _each(node)
    if node.answers.queue_pairs is None and held:
        yield unknown("this kernel does not tell who owns queue pairs")
        return
    owners = _owners(node)
    for each in held:
        yield from _used(node, each, owners)
    busy = sum(each.container.of in owners for each in held)
    yield ok(
        f"{busy} of {counted(len(held), 'container')} with queue pairs; no other has run for long"
    )


def _owners(node: NodeView) -> dict[processes.Membership, int]:
    """How many each container has; an owner's id may be a thread's, which /proc knows too."""
    found: dict[processes.Membership, int] = {}
    for pairs in (node.answers.queue_pairs or {}).values():
        for pid, count in pairs.owners.items():
            if of := containers.membership(node.host, pid):
                found[of] = found.get(of, 0) + count
    return found


def _used(node: NodeView, each: Held, owners: dict[processes.Membership, int]) -> Iterator[Finding]:
    age = containers.age(node.host, each.main)
    if each.container.of in owners or not each.hcas or (age is not None and age < PATIENCE):
        return
    told = node.answers.queue_pairs or {}
    mute = [hca.name for hca in each.hcas if hca.name not in told]
    nameless = sum(told[hca.name].nameless for hca in each.hcas if hca.name in told)
    if age is None or mute or nameless:
        why = f"{nameless} have an owner that the kernel does not name" if nameless else ""
        why = why or (
            "its age cannot be read" if age is None else f"{', '.join(mute)} tell nothing"
        )
        yield unknown(f"owns no queue pair that we see, but {why}", subject=str(each.name))
        return
    evidence = (
        f"owns no queue pair on {_names_of(each.hcas)} after {age / 60:.0f} minutes: it is idle,"
        " or sends over TCP"
    )
    yield warn(evidence, _NCCL, subject=str(each.name))


CHECKS = (seen, memlock, network, gids, queue_pairs)
