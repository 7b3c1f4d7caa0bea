"""Pods that hold a resource: can they be inspected, and may their programs register memory?"""

from collections.abc import Iterator

from rdma_dp.config import CdiMode
from rdma_dp.doctor.check import Finding, check, ok, unknown, warn
from rdma_dp.doctor.facts.holders import (
    AS_ROOT,
    ON_THE_NODE,
    WITH_CONFIG,
    HeldContainer,
    find_holders,
)
from rdma_dp.host import containers, processes
from rdma_dp.host.files import Host
from rdma_dp.node.view import NodeView
from rdma_dp.text import counted

_DELETE = "kubectl -n NAMESPACE delete pod POD"
_BY_ANNOTATIONS = 'set "cdi": "annotations" in the config  # for Kubernetes 1.28'
_RUNTIME = "set enable_cdi = true in /etc/containerd/config.toml  # for containerd 1.7"
_IPC_LOCK = 'securityContext: {capabilities: {add: ["IPC_LOCK"]}}'
_UNLIMITED = "systemctl edit containerd  # [Service] LimitMEMLOCK=infinity; then restart it"


@check(
    "pod-processes",
    "The pods that hold RDMA can be inspected",
    reads="podresources List, /proc/PID/cgroup, the names in /var/log/containers",
    remedies=(
        *(ON_THE_NODE, AS_ROOT, "mount KUBELET_ROOT/pod-resources", WITH_CONFIG),
        *(_DELETE, _BY_ANNOTATIONS, _RUNTIME),
    ),
)
def seen(node: NodeView) -> Iterator[Finding]:
    """The other checks of pods need two things: the holders of the resource, which only kubelet
    lists, and the node's processes. Where one of them is missing, those checks are unknown.

    A container that holds the resource can still lack its devices. With `cdi`, this happens where
    kubelet or the runtime ignores CDI names: kubelet 1.28 ignores the CDI field unless its feature
    gate DevicePluginCDIDevices is on.
    """
    holders = find_holders(node)
    if holders.unseen is not None:
        yield holders.unseen
        return
    for name in holders.gone:
        evidence = "holds the resource, but has no process: it has ended, or is just starting"
        yield unknown(evidence, subject=str(name))
    for each in holders.running:
        if not each.hcas:
            yield _without_devices(node, each)
    yield ok(f"{counted(len(holders.running), 'container')} with RDMA")


def _without_devices(node: NodeView, container: HeldContainer) -> Finding:
    evidence = "holds the resource, but no uverbs node of an HCA is in its /dev/infiniband"
    remedies = [_DELETE]
    cdi = node.config.config.cdi if node.config.config else CdiMode.OFF
    if cdi is not CdiMode.OFF:
        evidence += f"; with cdi: {cdi}, containerd 1.7 gives it none without enable_cdi"
        remedies.insert(0, _RUNTIME)
    if cdi is CdiMode.CRI:
        evidence += ", nor kubelet 1.28 without the feature gate DevicePluginCDIDevices"
        remedies.insert(0, _BY_ANNOTATIONS)
    return warn(evidence, *remedies, subject=container.subject)


@check(
    "pod-memlock",
    "Pods may lock memory",
    reads="/proc/PID/limits (Max locked memory), CapEff of /proc/PID/status",
    remedies=(_IPC_LOCK, _UNLIMITED),
)
def memlock(node: NodeView) -> Iterator[Finding]:
    """An HCA needs locked memory. A program without IPC_LOCK cannot register more than its limit:
    ibv_reg_mr then fails with ENOMEM, "Cannot allocate memory".
    """
    holders = find_holders(node)
    yield from holders.not_inspected
    for each in holders.running:
        status = containers.status(node.host, each.main)
        limit = processes.locked_memory(node.host.read_or_none(f"proc/{each.main}/limits") or "")
        exempt = processes.may_lock_memory(status)
        if limit is None or exempt is None:
            yield unknown("its limits cannot be read", subject=each.subject)
        elif limit >= 0 and not (exempt and _in_the_nodes_users(node.host, each.main)):
            evidence = f"may lock {limit // 1024} KiB and has no IPC_LOCK"
            yield warn(evidence, _IPC_LOCK, _UNLIMITED, subject=each.subject)
    yield ok(f"{counted(len(holders.running), 'container')} without a limit of locked memory")


def _in_the_nodes_users(host: Host, pid: int) -> bool:
    # The kernel requires the capability in the initial user namespace (kernel
    # drivers/infiniband/core/umem.c, ib_umem_get).
    return containers.shares_namespace(host, pid, "user")


CHECKS = (seen, memlock)
