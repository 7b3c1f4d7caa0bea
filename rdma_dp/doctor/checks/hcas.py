"""The HCAs: can pods get them?"""

from collections.abc import Iterator

from rdma_dp.discovery.char_devices import STALE_MOUNT
from rdma_dp.doctor.check import Finding, check, fail, ok, unknown, warn
from rdma_dp.host.paths import CLASS_INFINIBAND, CLASS_NET, CLASS_VERBS, MODULES
from rdma_dp.inventory.hardware import CharDevice, FunctionType, Hca
from rdma_dp.inventory.verdicts import IneligibleCode
from rdma_dp.node.view import NodeView
from rdma_dp.sharing.allocation import wanted_devices
from rdma_dp.sharing.pool import Pool
from rdma_dp.text import counted, some

_SHOWN = 4  # names in a line of evidence
# An HCA that only serves another one for subnet management (SMI) needs no uverbs node.
_WITHOUT_UVERBS = (
    IneligibleCode.NO_VERBS,
    IneligibleCode.UVERBS_NOT_LOADED,
    IneligibleCode.NO_UVERBS_CLASS,
)
_MOUNT_DEV = "mountPath: /dev  # and hostPath: /dev in the DaemonSet, in place of /dev/infiniband"
_RESTART = "kubectl -n NAMESPACE delete pod POD"
_MAKE_NODES = "udevadm trigger --action=add --subsystem-match=infiniband_verbs"


@check(
    "hca-nodes",
    "Device nodes in /dev/infiniband",
    reads="/sys/class/infiniband_verbs, infiniband_mad, misc/rdma_cm, hfi1_user, ipath; the"
    " nodes in /dev",
    remedies=(_MAKE_NODES, "modprobe ib_uverbs", _MOUNT_DEV, _RESTART),
)
def nodes(node: NodeView) -> Iterator[Finding]:
    """A program opens /dev/infiniband/uverbsN to use an HCA. It fails if the node is missing, or
    has the device numbers of an earlier device. For umad, issm and rdma_cm, which fewer programs
    need, and for /dev/hfi1_N and /dev/ipathN, which PSM2, OPX and PSM need, the check warns.

    If only /dev/infiniband is mounted into the pod of rdma-dp, a driver that is loaded again makes
    a new directory, and the mount keeps the deleted one. Then the check fails once for all nodes.
    """
    hcas = node.inventory.hcas
    if any(_has(hca, IneligibleCode.STALE_MOUNT) for hca in hcas):
        yield fail(STALE_MOUNT, _MOUNT_DEV, _RESTART, code=IneligibleCode.STALE_MOUNT)
        return
    for hca in hcas:
        yield from _without_uverbs(node, hca)
        if hca.uverbs is not None and hca.uverbs.fault is not None:
            yield fail(
                hca.uverbs.fault, _MAKE_NODES, subject=hca.name, code=IneligibleCode.UVERBS_NODE
            )
        for device in wanted_devices(hca, node.management):
            if device != hca.uverbs:
                yield from _faulty(device, hca.name)
    rdma_cm = node.inventory.system.rdma_cm
    if rdma_cm is not None:
        yield from _faulty(rdma_cm, "")
    uverbs = [hca.uverbs for hca in hcas if hca.uverbs is not None]
    if uverbs and not any(device.checked for device in uverbs):
        yield unknown("there is no /dev")
    elif uverbs:
        yield ok(f"{counted(len(uverbs), 'uverbs node')} with the kernel's numbers")


def _has(hca: Hca, code: IneligibleCode) -> bool:
    return hca.ineligible is not None and hca.ineligible.code is code


def _faulty(device: CharDevice, hca: str) -> Iterator[Finding]:
    if device.fault is not None:
        yield warn(f"{device.fault}; containers do not get it", _MAKE_NODES, subject=hca)


def _without_uverbs(node: NodeView, hca: Hca) -> Iterator[Finding]:
    if hca.ineligible is None or hca.ineligible.code not in _WITHOUT_UVERBS:
        return
    reason, code = hca.ineligible.text, hca.ineligible.code
    if node.host.is_directory(MODULES):
        remedy = "modprobe ib_uverbs"
        yield fail(reason, remedy, subject=hca.name, code=code, effect="no uverbs node")
    elif node.host.is_directory(CLASS_VERBS):
        yield fail(reason, subject=hca.name, code=code)
    else:
        yield unknown("there is neither /sys/class/infiniband_verbs nor /sys/module", code=code)


@check(
    "hca-netns",
    "RDMA network namespaces are shared",
    reads="RDMA netlink (rdma system), /sys/module/ib_core/parameters/netns_mode",
    remedies=(
        "rdma system set netns shared",
        "echo 'options ib_core netns_mode=1' > /etc/modprobe.d/ib_core.conf",
    ),
)
def netns(node: NodeView) -> Iterator[Finding]:
    """In exclusive mode an HCA belongs to one network namespace, so a pod with its own namespace
    cannot use the HCAs of the host. `rdma system set netns shared` works only while there are no
    other network namespaces. Once pods run it fails (EBUSY): set the option of ib_core and reboot.
    """
    mode = node.inventory.system.netns_mode
    if mode == "exclusive":
        yield fail(
            "the mode is exclusive: no pod can use an HCA of the host",
            "rdma system set netns shared",
            "echo 'options ib_core netns_mode=1' > /etc/modprobe.d/ib_core.conf",
            code=IneligibleCode.NETNS_EXCLUSIVE,
        )
    elif mode is not None:
        yield ok(f"the mode is {mode}")
    elif node.inventory.hcas:
        yield unknown("neither netlink nor /sys/module/ib_core shows the mode", "rdma system")


@check(
    "hca-switchdev",
    "HCAs of functions in switchdev mode",
    reads="/sys/class/net/NETDEV/phys_switch_id, /sys/class/infiniband/HCA/ports/N/gids",
    remedies=("devlink dev eswitch set pci/ADDRESS mode legacy",),
)
def switchdev(node: NodeView) -> Iterator[Finding]:
    """The HCA of a PF in switchdev mode is for raw Ethernet of the embedded switch and has no GIDs.
    The HCAs for pods are on its VFs and SFs. The check warns if a resource's selectors match such
    an HCA and none of its VFs or SFs: then the mode or the selectors are wrong.
    """
    raw = [hca for hca in node.inventory.hcas if _has(hca, IneligibleCode.SWITCHDEV)]
    alone = {hca.name for pool in node.pools for hca in _without_vfs(pool)}
    for hca in raw:
        if hca.name in alone and hca.function is not None:
            yield warn(
                "a resource selects it and none of its VFs or SFs, but its function is in switchdev"
                " mode: no RDMA of its own",
                f"devlink dev eswitch set pci/{hca.function.address} mode legacy",
                subject=hca.name,
                code=IneligibleCode.SWITCHDEV,
            )
    for hca in node.concerned:
        if _is_undecided(node, hca):
            text = "its function is in switchdev mode, but no GID table shows whether it has RDMA"
            yield unknown(text, subject=hca.name)
    left_out = f"not in any resource: {some(tuple(hca.name for hca in raw), _SHOWN)}"
    yield ok(left_out if raw else "no HCA is in switchdev mode")


def _is_undecided(node: NodeView, hca: Hca) -> bool:
    """Whether the PF has a switch id, and the tree does not have the GID tables of its HCA."""
    if hca.function_type is not FunctionType.PF or not hca.ports:
        return False
    ids = (node.host.read_or_none(f"{CLASS_NET}/{name}/phys_switch_id") for name in hca.pf_names)
    gids = f"{CLASS_INFINIBAND}/{hca.name}/ports/{hca.ports[0].number}/gids"
    return any(ids) and not node.host.is_directory(gids)


def _without_vfs(pool: Pool) -> Iterator[Hca]:
    """The raw HCAs that the selectors match, without those whose VFs or SFs they match too."""
    served = {f.physfn or f.address for hca in pool.hcas for f in hca.functions}
    taken = (verdict.hca for verdict in pool.selection.verdicts if verdict.matches)
    for hca in taken:
        address = hca.function.address if hca.function else None
        if _has(hca, IneligibleCode.SWITCHDEV) and address not in served:
            yield hca


CHECKS = (nodes, netns, switchdev)
