"""Variables of NCCL in the pods that hold a resource, against the HCAs and GPUs that they have."""

import re
from collections.abc import Generator, Iterator, Mapping, Sequence

from rdma_dp.doctor.check import Finding, check, ok, unknown, warn
from rdma_dp.doctor.facts.holders import AS_ROOT, HeldContainer, find_holders
from rdma_dp.doctor.facts.nccl import HcaList, allows_gpudirect, hca_list, is_level, level_for
from rdma_dp.doctor.facts.roce import V1, roce_ports
from rdma_dp.doctor.facts.virtual import TOPOLOGY_FILE, is_virtual
from rdma_dp.host import containers
from rdma_dp.host.environments import GDR_LEVEL, GID_INDEX, HCAS, ODD
from rdma_dp.host.files import Host
from rdma_dp.host.paths import CLASS_INFINIBAND, NVIDIA_GPUS
from rdma_dp.inventory.hardware import Hca, Port
from rdma_dp.inventory.topology import DIRECT, Distance, Gpu
from rdma_dp.node.view import NodeView
from rdma_dp.text import counted, some

_SHOWN = 4  # names in a line of evidence
_READS = "/proc/PID/environ, the variable alone"
_LINK_LOCAL = "fe80:"

Pods = Sequence[tuple[HeldContainer, Mapping[str, str]]]


@check(
    "pod-nccl-hca",
    "NCCL_IB_HCA names HCAs that the pod has",
    reads=f"{_READS}; /proc/PID/root/dev/infiniband",
    remedies=("NCCL_IB_HCA==HCA,HCA in the pod's env, or unset", "env: {NCCL_IB_HCA: hcas}"),
)
def hcas(node: NodeView) -> Iterator[Finding]:
    """NCCL_IB_HCA chooses HCAs by the beginning of their names; "=" before the list wants whole
    names, "^" excludes, and NAME:PORT means one port. NCCL ignores an entry that names no HCA of
    the pod. If none is left, it uses TCP, which only its log with NCCL_DEBUG=INFO shows. The key
    `env` of a resource can set the variable to the HCAs that a pod gets.

    The checks of NCCL's variables see what a process began with: not what a program sets itself,
    and not /etc/nccl.conf. They read three variables, and nothing else of an environment.
    """
    pods = yield from _pods(node, HCAS)
    for each, variables in pods:
        chosen = hca_list(variables[HCAS])
        if not each.hcas:
            continue
        own = ",".join(hca.name for hca in each.hcas)
        remedy = (f"{HCAS}=={own} in the pod's env, or unset", "env: {NCCL_IB_HCA: hcas}")
        if not _used(each.hcas, chosen):
            has = f"the pod has {some(_names(each.hcas), _SHOWN)}"
            what = "excludes every HCA" if chosen.exclude else "names none of its HCAs"
            text = f"{_set(variables, HCAS)} {what}, so NCCL uses TCP: {has}"
            yield warn(text, *remedy, subject=each.subject)
        elif not chosen.exclude and (missing := chosen.without_match(each.hcas)):
            names = some(tuple(map(str, missing)), _SHOWN)
            text = f"{_set(variables, HCAS)} names {names}, which the pod does not have"
            yield warn(text, *remedy, subject=each.subject)
    yield ok(_well(pods, HCAS))


@check(
    "pod-nccl-gid",
    "NCCL_IB_GID_INDEX is a RoCE v2 GID with an address",
    reads=f"{_READS}; /sys/class/infiniband/HCA/ports/N/gids, gid_attrs/types",
    remedies=("unset NCCL_IB_GID_INDEX", "NCCL_IB_GID_INDEX=INDEX in the pod's env"),
)
def gids(node: NodeView) -> Iterator[Finding]:
    """NCCL_IB_GID_INDEX is one index for the GID tables of all HCAs with RoCE. The tables differ by
    node, by HCA and over time, because each address of an interface takes the next free index. An
    index without a GID makes connections fail. A GID of RoCE v1, or a link-local one, reaches no
    other subnet. NCCL from 2.21 on chooses a suitable GID itself if the variable is not set.
    InfiniBand does not use it.
    """
    pods = yield from _pods(node, GID_INDEX)
    for each, variables in pods:
        ports = _used(each.roce, hca_list(variables.get(HCAS, "")))
        index = _number(variables[GID_INDEX])
        if index is None:
            text = f"{_set(variables, GID_INDEX)} is not a number, so NCCL ignores it"
            yield warn(text, f"unset {GID_INDEX}", subject=each.subject)
        elif index >= 0:
            yield from _wrong_gids(node.host, each, index, ports)
    yield ok(_well(pods, GID_INDEX))


def _number(value: str) -> int | None:
    try:
        return int(value)
    except ValueError:
        return None


def _wrong_gids(
    host: Host, each: HeldContainer, index: int, ports: Sequence[tuple[Hca, Port]]
) -> Iterator[Finding]:
    tables = [
        (f"{hca.name}:{port.number}", _gids(host, hca, port))
        for hca, port in ports
        if port in roce_ports(host, hca) and port.state in (None, "ACTIVE")
    ]
    wrong: dict[str, list[str]] = {}
    for name, table in tables:
        fault = _fault(table, index)
        if fault:
            wrong.setdefault(fault, []).append(name)
    good = [{k for k in table if not _fault(table, k)} for _, table in tables]
    common = sorted(set.intersection(*good)) if good else []
    remedy = (f"unset {GID_INDEX}", *(f"{GID_INDEX}={k} in the pod's env" for k in common[:1]))
    for fault, names in wrong.items():
        text = f"{GID_INDEX}={index}, but {fault} on {some(tuple(names), _SHOWN)}"
        yield warn(text, *remedy, subject=each.subject)


def _gids(host: Host, hca: Hca, port: Port) -> Mapping[int, tuple[str, str | None]]:
    """The GID and the type at each index of a table; "" for an empty entry."""
    directory = f"{CLASS_INFINIBAND}/{hca.name}/ports/{port.number}"
    found = {}
    for index in host.entries(f"{directory}/gids"):
        gid = host.read_or_none(f"{directory}/gids/{index}") or ""
        used = gid if gid.strip("0:") else ""
        kind = host.read_or_none(f"{directory}/gid_attrs/types/{index}") if used else None
        if index.isdecimal():
            found[int(index)] = used, kind
    return found


def _fault(table: Mapping[int, tuple[str, str | None]], index: int) -> str:
    """Why connections from a GID fail or stay in the subnet; "" if the GID is good."""
    if not table:
        return ""
    if index not in table:
        return f"there is no index {index}: the table has {len(table)}"
    gid, kind = table[index]
    if not gid:
        return "that index is empty"
    if kind == V1:
        return "that GID is RoCE v1"
    return "that GID is link-local" if gid.lower().startswith(_LINK_LOCAL) else ""


@check(
    "pod-nccl-gdr",
    "NCCL_NET_GDR_LEVEL reaches the pod's HCAs",
    reads=f"{_READS}; /proc/driver/nvidia/gpus/ADDRESS/information; the names in"
    " /proc/PID/root/dev; the real paths below /sys/bus/pci/devices",
    remedies=("unset NCCL_NET_GDR_LEVEL", "NCCL_NET_GDR_LEVEL=LEVEL in the pod's env"),
)
def gdr(node: NodeView) -> Iterator[Finding]:
    """NCCL_NET_GDR_LEVEL is the longest distance between a GPU and an HCA at which NCCL lets the
    HCA reach GPU memory (PIX, PXB, PHB, SYS; LOC never). If the pod's HCAs are farther, all traffic
    is copied through host memory. The default is PXB. NCCL has no NODE: PHB means all of a NUMA
    node. A name in lower case is ignored.
    """
    pods = yield from _pods(node, GDR_LEVEL)
    for each, variables in pods:
        value, shown = variables[GDR_LEVEL], _set(variables, GDR_LEVEL)
        if not is_level(value):
            text = f"{shown} is no level (PIX, PXB, PHB, SYS), so NCCL ignores it"
            yield warn(text, f"unset {GDR_LEVEL}", subject=each.subject)
        elif is_virtual(node):
            text = f"{shown}, but a virtual machine does not show real distances"
            yield unknown(text, TOPOLOGY_FILE, subject=each.subject)
        elif node.topology.data_direct:
            text = f"{shown}, but the Data Direct functions change the distances"
            yield unknown(text, subject=each.subject)
        else:
            yield from _too_far(node, each, value)
    yield ok(_well(pods, GDR_LEVEL))


def _too_far(node: NodeView, each: HeldContainer, level: str) -> Iterator[Finding]:
    far: dict[Distance, list[str]] = {}
    for gpu in _gpus(node.host, node.topology.gpus, each):
        distance, _ = node.topology.nearest(gpu, each.hcas)
        if distance is not None and allows_gpudirect(level, distance) is False:
            far.setdefault(distance, []).append(gpu.name)
    for distance, names in far.items():
        needs = level_for(distance)
        by_default = (f"unset {GDR_LEVEL}",) if distance in DIRECT else ()
        yield warn(
            f"{GDR_LEVEL}={level}, but the nearest HCA of {some(tuple(names), _SHOWN)} is at"
            f" {distance}: no GPUDirect RDMA",
            *by_default,
            f"{GDR_LEVEL}={needs} in the pod's env",
            subject=each.subject,
        )


def _gpus(host: Host, gpus: Sequence[Gpu], each: HeldContainer) -> Sequence[Gpu]:
    """The GPUs of a container by their device nodes; all GPUs if the driver shows no numbers."""
    minors = {gpu.name: _minor(host, gpu) for gpu in gpus}
    if None in minors.values():
        return gpus
    own = containers.device_names(host, each.main)
    return [gpu for gpu in gpus if f"nvidia{minors[gpu.name]}" in own]


def _minor(host: Host, gpu: Gpu) -> str | None:
    """The number N of the node /dev/nvidiaN of a GPU."""
    text = host.read_or_none(f"{NVIDIA_GPUS}/{gpu.function.address}/information") or ""
    found = re.search(r"^Device Minor:\s*(\d+)\s*$", text, re.MULTILINE | re.ASCII)
    return found[1] if found else None


# --- shared by all -------------------------------------------------------------------------------


def _pods(node: NodeView, name: str) -> Generator[Finding, None, Pods]:
    """The containers with a process that has a variable, once for each different environment."""
    holders = find_holders(node)
    yield from holders.not_inspected
    found: list[tuple[HeldContainer, Mapping[str, str]]] = []
    for each in holders.running:
        environments = containers.environments(node.host, each.container)
        if environments is None:
            yield unknown("its environment cannot be read", AS_ROOT, subject=each.subject)
            continue
        found += [(each, variables) for variables in environments if name in variables]
    return found


def _set(variables: Mapping[str, str], name: str) -> str:
    """NAME=VALUE, or the name alone if the value has a form that may not be shown."""
    value = variables[name]
    return name if value == ODD else f"{name}={value}"


def _used(hcas: Sequence[Hca], chosen: HcaList) -> Sequence[tuple[Hca, Port]]:
    """The ports that NCCL uses."""
    return [(hca, port) for hca in hcas for port in hca.ports if chosen.uses(hca, port)]


def _names(hcas: Sequence[Hca]) -> tuple[str, ...]:
    return tuple(hca.name for hca in hcas)


def _well(pods: Pods, name: str) -> str:
    number = len({each.subject for each, _ in pods})
    return f"{counted(number, 'container')} with {name}"


CHECKS = (hcas, gids, gdr)
