"""The uverbs ABI of the drivers: can the rdma-core of a pod use the HCA?"""

from collections.abc import Iterator, Mapping

from rdma_dp.discovery.unused_functions import rdma_module
from rdma_dp.doctor.check import Finding, check, ok, unknown, warn
from rdma_dp.host.files import Host
from rdma_dp.host.paths import CLASS_VERBS
from rdma_dp.inventory.hardware import Hca
from rdma_dp.node.view import NodeView
from rdma_dp.text import some

_SHOWN = 4  # names in a line of evidence

# The values of Linux: include/uapi/rdma/*-abi.h, rdmavt/vt.h and hns_roce_main.c. No driver has
# changed its value for years. mlx4 has 3 with old firmware.
_IN_TREE: Mapping[str, tuple[int, ...]] = {
    "be2net": (2,),
    "bnxt_en": (1,),
    "cxgb4": (3,),
    "efa": (1,),
    "erdma": (1,),
    "hfi1": (2,),
    "hns3": (1,),
    "i40e": (5,),
    "ib_qib": (2,),
    "ice": (5,),
    "idpf": (5,),
    "ionic": (1,),
    "mana": (1,),
    "mlx4_core": (3, 4),
    "mlx5_core": (1,),
    "qede": (8,),
    "vmw_pvrdma": (3,),
}


@check(
    "hca-abi",
    "An uverbs ABI that every rdma-core knows",
    reads="/sys/class/infiniband_verbs/uverbsN/abi_version",
    remedies=("modinfo MODULE | grep -E '^(filename|version)'", "ibv_devinfo -d HCA  # in a pod"),
)
def abi(node: NodeView) -> Iterator[Finding]:
    """The driver of the kernel and the library in the pod (`libbnxt_re` of rdma-core) must have the
    same ABI. Drivers of vendors, such as Broadcom's bnxt_re and AMD's ionic_rdma, may have another
    one than the driver of Linux. Then programs in the pod find no HCA, and say: `Driver bnxt_re
    does not support the kernel ABI of 6 (supports 1 to 1)`. NCCL uses TCP instead.

    The image must have the vendor's library, of the version of the driver on the node. It replaces
    the one of rdma-core. Or use the driver of Linux. The images of pods cannot be inspected here.
    """
    found = {hca.name: _version(node.host, hca) for hca in node.inventory.hcas}
    known = [hca for hca in node.concerned if _driver(hca) in _IN_TREE and hca.uverbs is not None]
    for hca in known:
        version, expected = found[hca.name], _IN_TREE[_driver(hca)]
        if version is None:
            yield unknown(f"/{CLASS_VERBS} does not show the ABI of its uverbs", subject=hca.name)
        elif version not in expected:
            module = rdma_module(hca)
            yield warn(
                f"{module} has uverbs ABI {version}, Linux has {expected[-1]}: pods need the"
                " vendor's library for rdma-core",
                f"modinfo {module} | grep -E '^(filename|version)'",
                f"ibv_devinfo -d {hca.name}  # in a pod",
                subject=hca.name,
            )
    if known:
        yield ok(f"the ABI of Linux: {some(tuple(hca.name for hca in known), _SHOWN)}")


def _driver(hca: Hca) -> str:
    return (hca.function.driver if hca.function else None) or ""


def _version(host: Host, hca: Hca) -> int | None:
    """None if the node does not show it. It is read for each HCA, so that a snapshot has it."""
    if hca.uverbs is None:
        return None
    return host.read_int_or_none(f"{CLASS_VERBS}/{hca.uverbs.name}/abi_version")


CHECKS = (abi,)
