"""Pods that hold an HCA: do they use it?"""

from collections.abc import Iterator

from rdma_dp.doctor.check import Finding, check, ok, unknown, warn
from rdma_dp.doctor.facts.holders import HeldContainer, find_holders
from rdma_dp.host import containers, processes
from rdma_dp.node.view import NodeView
from rdma_dp.text import counted

# Seconds. A younger container may still load data or wait for other ranks.
STARTING = 300

_NCCL = (
    "NCCL_DEBUG=INFO NCCL_DEBUG_SUBSYS=INIT,NET in the pod's env; its log has NET/IB or NET/Socket"
)


@check(
    "pod-queue-pairs",
    "Pods use the HCAs that they hold",
    reads="RDMA netlink, RES_QP_GET; /proc/TID/cgroup",
    remedies=(_NCCL,),
)
def queue_pairs(node: NodeView) -> Iterator[Finding]:
    """A program needs a queue pair to send over RDMA. A container that has been running for five
    minutes without one does not send, or sends over TCP, as NCCL does when it finds no HCA to use.
    The kernel does not list queue pairs that a program creates itself (DEVX: NVSHMEM's IBGDA, UCX
    with dc_x only). Ignore the warning for such programs.
    """
    holders = find_holders(node)
    yield from holders.not_inspected
    held = holders.running
    if node.answers.queue_pairs is None and held:
        yield unknown("this kernel does not report the owners of queue pairs")
        return
    owners = _owners(node)
    for each in held:
        yield from _unused(node, each, owners)
    busy = sum(each.container.of in owners for each in held)
    yield ok(
        f"{busy} of {counted(len(held), 'container')} with queue pairs; no other has run for long"
    )


def _owners(node: NodeView) -> dict[processes.Membership, int]:
    """The number of queue pairs of each container. The kernel may name a thread as the owner."""
    found: dict[processes.Membership, int] = {}
    for pairs in (node.answers.queue_pairs or {}).values():
        for pid, count in pairs.owners.items():
            if of := containers.membership(node.host, pid):
                found[of] = found.get(of, 0) + count
    return found


def _unused(
    node: NodeView, each: HeldContainer, owners: dict[processes.Membership, int]
) -> Iterator[Finding]:
    age = containers.age(node.host, each.main)
    if each.container.of in owners or not each.hcas or (age is not None and age < STARTING):
        return
    uncertainty = _uncertainty(node, each, age)
    if age is None or uncertainty:
        yield unknown(f"no queue pair of it was found, but {uncertainty}", subject=each.subject)
        return
    names = ", ".join(hca.name for hca in each.hcas)
    evidence = (
        f"owns no queue pair on {names} after {age / 60:.0f} minutes: it does not send, or sends"
        " over TCP"
    )
    yield warn(evidence, _NCCL, subject=each.subject)


def _uncertainty(node: NodeView, each: HeldContainer, age: float | None) -> str:
    """Why the container may own a queue pair all the same; "" where it does not."""
    listed = node.answers.queue_pairs or {}
    missing = [hca.name for hca in each.hcas if hca.name not in listed]
    nameless = sum(listed[hca.name].nameless for hca in each.hcas if hca.name in listed)
    if nameless:
        return f"the kernel does not name the owners of {nameless}"
    if age is None:
        return "its age cannot be read"
    return f"the kernel lists none of {', '.join(missing)}" if missing else ""


CHECKS = (queue_pairs,)
