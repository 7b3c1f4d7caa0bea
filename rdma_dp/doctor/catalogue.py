"""All checks, in the order in which they are shown: causes before effects."""

from collections.abc import Sequence

from rdma_dp.doctor.check import Check
from rdma_dp.doctor.checks import (
    abi,
    addresses,
    config,
    dra_cluster,
    dra_driver,
    drivers,
    gpudirect,
    hcas,
    kubelet,
    management,
    mtu_and_gids,
    pcie_links,
    pod_nccl,
    pod_networks,
    pod_queue_pairs,
    pods,
    ports,
    subnets,
    traffic,
    vfs,
)
from rdma_dp.errors import RdmaDpError

CATALOGUE: tuple[Check, ...] = (
    *drivers.CHECKS,
    *abi.CHECKS,
    *hcas.CHECKS,
    *management.CHECKS,
    *ports.CHECKS,
    *vfs.CHECKS,
    *pcie_links.CHECKS,
    *config.CHECKS,
    *kubelet.CHECKS,
    *dra_driver.CHECKS,
    *dra_cluster.CHECKS,
    *gpudirect.CHECKS,
    *mtu_and_gids.CHECKS,
    *addresses.CHECKS,
    *subnets.CHECKS,
    *traffic.CHECKS,
    *pods.CHECKS,
    *pod_networks.CHECKS,
    *pod_queue_pairs.CHECKS,
    *pod_nccl.CHECKS,
)


def chosen(ids: Sequence[str]) -> tuple[Check, ...]:
    """The checks with these ids; all checks for no ids. Raises RdmaDpError for an unknown id."""
    known = {check.id: check for check in CATALOGUE}
    unknown = [each for each in ids if each not in known]
    if unknown:
        raise RdmaDpError(
            f"no check is called {', '.join(unknown)}", "`rdma-dp doctor --list` lists all checks"
        )
    return tuple(known[each] for each in dict.fromkeys(ids)) or CATALOGUE
