"""The config, and the resources that it defines on this node."""

from collections.abc import Iterator

from rdma_dp.doctor.check import Finding, check, fail, ok, unknown, warn
from rdma_dp.doctor.facts.roce import GidTable, gid_table, roce_ports
from rdma_dp.host.paths import CLASS_INFINIBAND, CLASS_VERBS, MODULES
from rdma_dp.inventory.hardware import Hca
from rdma_dp.node.view import NodeView
from rdma_dp.sharing.advice import selector_warnings, steps, takers
from rdma_dp.sharing.health import has_active_port
from rdma_dp.sharing.lost_interfaces import blind_excludes
from rdma_dp.sharing.pool import Pool
from rdma_dp.sharing.selection import HcaVerdict
from rdma_dp.text import counted, some

_SHOWN = 4  # names in a line of evidence
_NO_CONFIG = "there is no config"


@check(
    "config-file",
    "A config that can be used",
    reads="the file that --config names",
    remedies=("rdma-dp check-config FILE", "rdma-dp doctor --config FILE"),
)
def file(node: NodeView) -> Iterator[Finding]:
    """Every problem of the config with its place. With a problem the daemon does not start, or
    keeps the last valid config. Without a file the daemon waits, and the checks of resources are
    unknown.
    """
    seen = node.config
    command = f"rdma-dp check-config {seen.argument}"
    if seen.missing:
        yield unknown(f"there is no config {seen.file}", "rdma-dp doctor --config FILE")
    for problem in seen.errors:
        yield fail(str(problem), command)
    for problem in seen.warnings:
        yield warn(str(problem), command)
    if seen.config is not None:
        name = "standard input" if seen.piped else seen.file
        yield ok(f"{name}: {counted(len(seen.config.config_list), 'resource')}")


@check(
    "config-resources",
    "Every resource has an HCA",
    reads="the config's selectors, and what each HCA of the node shows to them",
    remedies=("rdma-dp dry-run --config FILE", "modprobe MODULE"),
)
def resources(node: NodeView) -> Iterator[Finding]:
    """A resource without an HCA on this node, with the nearest candidate: the selector that does
    not match and a value that would, or the function that would match if it had an HCA.

    The check fails when no resource has an HCA. It warns when another resource has one, because a
    config for several types of nodes has resources that some nodes lack.
    """
    unseen = _unseen(node)
    judge = warn if any(pool.hcas for pool in node.pools) else fail
    for pool in node.pools:
        for step in steps(pool.selection, node.inventory):
            name = pool.resource.full_name
            if unseen:
                yield unknown(f"no HCA: {step.text}; {unseen}", subject=name, code=step.code)
            else:
                command = step.command or f"rdma-dp dry-run --config {node.config.argument}"
                yield judge(f"no HCA: {step.text}", command, subject=name, code=step.code)
    if node.pools:
        yield ok("; ".join(_taken(pool) for pool in node.pools[:_SHOWN]))
    else:
        yield unknown(_NO_CONFIG)


def _taken(pool: Pool) -> str:
    return f"{pool.resource.full_name} has {some(tuple(h.name for h in pool.hcas), _SHOWN)}"


def _unseen(node: NodeView) -> str | None:
    """What the tree of a host lacks, so that the result would be a guess; None if it lacks nothing.

    Without HCAs that is the class of HCAs, with HCAs the class of their uverbs devices.
    """
    directory = CLASS_VERBS if node.inventory.hcas else CLASS_INFINIBAND
    if any(map(node.host.is_directory, (directory, MODULES))):
        return None
    return f"there is neither /{directory} nor /{MODULES}"


@check(
    "config-unused",
    "HCAs in no resource, though similar HCAs are in one",
    reads="the config's selectors, the HCAs",
    remedies=("rdma-dp dry-run --config FILE",),
)
def not_taken(node: NodeView) -> Iterator[Finding]:
    """An HCA that can be shared, has an ACTIVE port and is in no resource, although an HCA of the
    same kind (PCI id, function type, link type) is in one. It may have been forgotten, such as a
    second port that `ifNames` does not list. HCAs of other kinds and HCAs that `exclude` matches
    are not reported.
    """
    taken = {hca.name for pool in node.pools for hca in pool.hcas}
    kinds = {_kind(v.hca): pool for pool in node.pools for v in pool.selection.verdicts if v.chosen}
    excluded = _excluded(node)
    unused = [hca for hca in node.inventory.hcas if hca.shareable and hca.name not in taken]
    for hca in unused:
        pool = kinds.get(_kind(hca))
        if pool is not None and hca.name not in excluded and has_active_port(hca):
            yield warn(
                f"is in no resource, though {pool.resource.full_name} has others of its kind:"
                " select it too, or exclude it if that is on purpose",
                f"rdma-dp dry-run --config {node.config.argument}",
                subject=hca.name,
            )
    if node.pools:
        others = f": {some(tuple(hca.name for hca in unused), _SHOWN)}" if unused else ""
        yield ok(f"{counted(len(taken), 'HCA')} in resources, {len(unused)} not{others}")
    else:
        yield unknown(_NO_CONFIG)


def _kind(hca: Hca) -> tuple[object, ...]:
    function = hca.function
    id_ = (function.vendor, function.device) if function else (None, hca.name)
    return (*id_, hca.function_type, hca.link_types)


def _excluded(node: NodeView) -> set[str]:
    """The HCAs that a resource does not take because of `exclude`."""

    def is_excluded(verdict: HcaVerdict) -> bool:
        return any(mismatch.excludes for mismatch in verdict.mismatches)

    verdicts = (verdict for pool in node.pools for verdict in pool.selection.rejected)
    return {verdict.hca.name for verdict in verdicts if is_excluded(verdict)}


@check(
    "config-shared",
    "Each HCA in one resource",
    reads="the config's selectors, the HCAs",
    remedies=("rdma-dp dry-run --config FILE",),
)
def shared(node: NodeView) -> Iterator[Finding]:
    """An HCA in several resources is shared by more containers than rdmaHcaMax of each resource
    allows. RDMA works, but this is rarely intended.
    """
    found = takers(node.inventory, [pool.selection for pool in node.pools])
    for hca, names in found.items():
        if len(names) > 1:
            yield warn(
                f"is in several resources: {some(names, _SHOWN)}",
                f"rdma-dp dry-run --config {node.config.argument}",
                subject=hca,
            )
    yield ok("no HCA is in several resources") if node.pools else unknown(_NO_CONFIG)


@check(
    "config-selectors",
    "Values in the right selectors, HCAs of one kind in a resource",
    reads="the config's selectors, the HCAs, the functions without an HCA",
    remedies=("rdma-dp dry-run --config FILE",),
)
def selectors(node: NodeView) -> Iterator[Finding]:
    """A value that matches nothing on this node, but is right for another selector, such as the
    name of an HCA in `ifNames`. Also a resource that mixes HCAs that a job cannot use together:
    InfiniBand and Ethernet, HCAs of several drivers, HCAs in hardware and in software, or kinds of
    HCAs whose speeds differ by a factor of two or more. HCAs without an ACTIVE port do not count,
    and neither do HCAs that the config names one by one. Resources without an HCA are the matter of
    config-resources.
    """
    for pool in node.pools:
        for step in selector_warnings(pool.selection, node.inventory):
            yield warn(
                step.text,
                f"rdma-dp dry-run --config {node.config.argument}",
                subject=pool.resource.full_name,
                code=step.code,
            )
    if node.pools:
        yield ok("no value belongs to another selector, and no resource mixes kinds of HCAs")
    else:
        yield unknown(_NO_CONFIG)


@check(
    "config-exclude",
    "Selectors below exclude can see the interfaces",
    reads="the config's selectors; /sys/class/net, /sys/bus/pci/devices/ADDRESS/net",
    remedies=("rdma-dp dry-run --config FILE",),
)
def exclude(node: NodeView) -> Iterator[Finding]:
    """`exclude` with `ifNames` or `pfNames` cannot match an HCA whose interface is in another
    network namespace: a pod has the interface, or rdma-dp runs without hostNetwork. If it is the
    HCA to exclude, pods get it. The check warns unless the selector excludes another HCA.
    """
    for pool in node.pools:
        for hca, reason in blind_excludes(pool.selection):
            yield warn(
                f"{pool.resource.full_name} has it, because {reason}",
                f"rdma-dp dry-run --config {node.config.argument}",
                subject=hca,
            )
    yield ok("every HCA of a resource can be compared") if node.pools else unknown(_NO_CONFIG)


@check(
    "config-slots",
    "The hardware has room for all slots",
    reads="rdmaHcaMax; /sys/class/infiniband/HCA/ports/N/gids",
    remedies=("rdma-dp dry-run --config FILE",),
)
def slots(node: NodeView) -> Iterator[Finding]:
    """With RoCE the interface of each pod (macvlan, ipvlan, VLAN) adds its addresses to the GID
    table of the port below. Each address takes two slots, RoCE v1 and v2, and a pod has two
    addresses, a link-local one and its own. The table of mlx5 has 256 slots. Four belong to the
    host, so it is full after 63 pods: the next pod gets an interface, but no GID. If rdmaHcaMax is
    above 63, the check compares it with the tables of this node. InfiniBand has no GIDs per pod and
    needs no limit.

    The check also warns when the slots do not fit into one message to kubelet.
    """
    for pool in node.pools:
        yield from _too_many(node, pool)
        for warning in pool.warnings:
            yield warn(warning, subject=pool.resource.full_name)
    if node.pools:
        yield ok("; ".join(_slots(pool) for pool in node.pools[:_SHOWN]))
    else:
        yield unknown(_NO_CONFIG)


_GIDS_OF_A_POD = 4  # two addresses, each as RoCE v1 and v2
_ALWAYS_FIT = 63  # fit into the 256 slots of mlx5


def _slots(pool: Pool) -> str:
    return f"{pool.resource.full_name}: rdmaHcaMax is {pool.resource.rdma_hca_max}"


def _tables(node: NodeView, hca: Hca) -> Iterator[GidTable]:
    for port in roce_ports(node.host, hca):
        table = gid_table(node.host, hca, port)
        if table is not None and table.size:
            yield table


def _too_many(node: NodeView, pool: Pool) -> Iterator[Finding]:
    most = pool.resource.rdma_hca_max
    if most <= _ALWAYS_FIT:
        return
    for hca in pool.hcas:
        for table in _tables(node, hca):
            room = table.free // _GIDS_OF_A_POD
            if room < most:
                yield warn(
                    f"rdmaHcaMax is {most}, but port {table.port} of its HCAs has GIDs for {room}"
                    f" more pods: {len(table.used)} of {table.size} slots are in use, and the"
                    f" interface of a pod takes {_GIDS_OF_A_POD} (two addresses, RoCE v1 and v2)",
                    f"rdma-dp dry-run --config {node.config.argument}",
                    subject=f"{pool.resource.full_name} on {hca.name}",
                )


CHECKS = (file, resources, not_taken, shared, selectors, exclude, slots)
