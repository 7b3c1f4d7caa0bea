"""Who uses the HCAs of a node: slots by kubelet's list, queue pairs by the kernel's.

Each level needs a privilege. What is missing is part of the result, so that an empty list is not
taken for an idle node.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from rdma_dp.host import containers
from rdma_dp.host.containers import Name
from rdma_dp.host.files import Host, HostError
from rdma_dp.host.netlink.values import QueuePairs
from rdma_dp.host.processes import Membership, stat
from rdma_dp.kubelet.holdings import Holding, holdings
from rdma_dp.kubelet.views import PodResources
from rdma_dp.sharing.pool import Pool


@dataclass(frozen=True, slots=True)
class ForeignUser:
    """A process, or a container, that owns queue pairs and holds no slot of the HCA.

    `container` is None for a process outside of pods, or if its name is not known.
    """

    hca: str
    process: str
    pids: tuple[int, ...]
    container: Name | None
    queue_pairs: int


@dataclass(frozen=True, slots=True)
class Usage:
    """`pods` is None if kubelet's list cannot be read.

    `queue_pairs` has the number of queue pairs by container and HCA. It is None if the owners
    cannot be found. `missing` says for each level that is missing what it needs.
    """

    pools: Mapping[str, Pool]
    pods: tuple[Holding, ...] | None = None
    queue_pairs: Mapping[tuple[Name, str], int] | None = None
    foreign: tuple[ForeignUser, ...] = ()
    missing: tuple[str, ...] = ()

    def pairs_of(self, holding: Holding) -> int | None:
        """The queue pairs that the container owns on its HCAs; None if they are not known."""
        if self.queue_pairs is None:
            return None
        return sum(self.queue_pairs.get((_name(holding), hca), 0) for hca in holding.hcas)


QueuePairsByHca = Mapping[str, QueuePairs]


def usage(
    host: Host,
    pools: Mapping[str, Pool],
    listed: PodResources | str,
    queue_pairs: QueuePairsByHca | None,
) -> Usage:
    """The use of the HCAs of these pools at this moment.

    `listed` is kubelet's list of pods, or why there is none. `queue_pairs` is None where the kernel
    does not report them.
    """
    if isinstance(listed, str):
        return Usage(pools, missing=(f"pods: {listed}",))
    found = holdings(listed.holders, pools)
    why = _no_owners(host, queue_pairs)
    if why is not None or queue_pairs is None:
        return Usage(pools, found, missing=(f"queue pairs: {why}",))
    owners = tuple(_owners(host, pools, queue_pairs))
    by_container: Counter[tuple[Name, str]] = Counter()
    for owner in owners:
        if owner.container is not None:
            by_container[owner.container, owner.hca] += owner.queue_pairs
    held = {(_name(each), hca) for each in found for hca in each.hcas}
    foreign = tuple(_foreign(owners, held))
    missing = (*_nameless(queue_pairs), *_unnamed(owners))
    return Usage(pools, found, dict(by_container), foreign, missing)


def _name(holding: Holding) -> Name:
    return Name(holding.namespace, holding.pod, holding.container)


def _no_owners(host: Host, queue_pairs: QueuePairsByHca | None) -> str | None:
    """Why the owners of queue pairs cannot be found; None if they can."""
    if queue_pairs is None:
        return "this kernel does not report their owners"
    if not containers.sees_all_processes(host):
        return "/proc does not have the node's processes. Needs hostPID and root"
    if not _container_names(host):
        return "/var/log/containers of the node, with the names of containers, cannot be read"
    return None


def _owners(
    host: Host, pools: Mapping[str, Pool], queue_pairs: QueuePairsByHca
) -> Iterator[ForeignUser]:
    """Each owner of queue pairs on an HCA of the resources, with its container."""
    names = _container_names(host)
    concerned = {hca.name for pool in pools.values() for hca in pool.hcas}
    for hca, pairs in sorted(queue_pairs.items()):
        if hca not in concerned:
            continue
        for pid, count in sorted(pairs.owners.items()):
            of = containers.membership(host, pid)
            container = names.get(of.container) if of else None
            process = stat(host.read_or_none(f"proc/{pid}/stat") or "")
            command = process.command if process else "a process that has ended"
            yield ForeignUser(hca, command, (pid,), container or _made_name(of), count)


def _made_name(of: Membership | None) -> Name | None:
    """A name for a container of a pod whose log is not there; None outside of pods."""
    return None if of is None else Name("", f"pod {of.pod}", of.container[:12])


def _unnamed(owners: Iterable[ForeignUser]) -> Iterator[str]:
    """Containers of pods without a name: whether they hold slots is not known."""
    count = sum(each.queue_pairs for each in owners if _has_no_name(each))
    if count:
        yield f"queue pairs: the containers that own {count} have no log with their name"


def _has_no_name(owner: ForeignUser) -> bool:
    return owner.container is not None and not owner.container.namespace


def _container_names(host: Host) -> Mapping[str, Name]:
    try:
        return containers.names(host)
    except HostError:
        return {}


def _foreign(owners: tuple[ForeignUser, ...], held: set[tuple[Name, str]]) -> Iterator[ForeignUser]:
    """The owners without a slot; the processes of one container and one command together."""
    found: dict[tuple[str, str, Name | None], list[ForeignUser]] = {}
    for owner in owners:
        if _has_no_name(owner):
            continue
        if owner.container is None or (owner.container, owner.hca) not in held:
            key = (owner.hca, owner.process, owner.container)
            found.setdefault(key, []).append(owner)
    for (hca, process, container), alike in found.items():
        pids = tuple(pid for each in alike for pid in each.pids)
        yield ForeignUser(hca, process, pids, container, sum(each.queue_pairs for each in alike))


def _nameless(queue_pairs: QueuePairsByHca) -> Iterator[str]:
    count = sum(pairs.nameless for pairs in queue_pairs.values())
    if count:
        yield f"queue pairs: the kernel does not name the owners of {count}"
