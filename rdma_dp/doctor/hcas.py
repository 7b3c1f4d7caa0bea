"""The HCAs: driver, modules, nodes, ports."""

from collections.abc import Iterator

from rdma_dp.doctor.check import Finding, check, fail, ok, unknown
from rdma_dp.doctor.sight import Sight
from rdma_dp.health import describe_ports, has_active_port


@check(
    "hca-modules",
    "RDMA kernel modules",
    looks_at="/sys/module",
    remedies=("modprobe MODULE",),
)
def modules(sight: Sight) -> Iterator[Finding]:
    """Without ib_uverbs no program can use an HCA; without the vendor's RDMA module there is none.

    ib_umad is for management tools, rdma_ucm for programs that connect through rdma_cm.
    """
    found = sight.inventory.system.modules
    if not found:
        yield unknown("there is no /sys/module to look at")
    for name, loaded in found.items():
        if not loaded:
            yield fail("is not loaded", f"modprobe {name}", subject=name)
    yield ok(f"loaded: {', '.join(found)}")


@check(
    "hca-ports",
    "Ports that can carry traffic",
    looks_at="/sys/class/infiniband/HCA/ports/N/state, phys_state",
    remedies=("ip link set NETDEV up",),
)
def ports(sight: Sight) -> Iterator[Finding]:
    """A port that is not ACTIVE sends nothing: the cable, the switch, the subnet manager or the
    netdev is down.
    """
    hcas = [hca for hca in sight.inventory.hcas if hca.shareable]
    for hca in hcas:
        if not has_active_port(hca):
            yield fail(describe_ports(hca).removeprefix(f"{hca.name} "), subject=hca.name)
    yield ok(f"{len(hcas)} HCAs have an ACTIVE port")


CHECKS = (modules, ports)
