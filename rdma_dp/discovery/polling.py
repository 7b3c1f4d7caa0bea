"""Finds changes for which the kernel sends no event. It is cheap enough to run every few seconds.

The kernel sends no event when an InfiniBand port changes its state, nor when the mode of the
network namespaces changes. In a user namespace and with a captured tree there are no events at all,
so HCAs that appear and disappear are found here too.
"""

from dataclasses import dataclass

from rdma_dp.discovery.ports import read_state
from rdma_dp.discovery.scan import scan
from rdma_dp.host.files import Host, HostError
from rdma_dp.host.paths import (
    CLASS_HFI1,
    CLASS_INFINIBAND,
    CLASS_IPATH,
    CLASS_MAD,
    CLASS_VERBS,
    NETNS_MODE,
    RDMA_CM,
)
from rdma_dp.inventory.hardware import Inventory


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What can be read fast: names of devices, and the mode of the network namespaces."""

    hcas: tuple[str, ...]
    uverbs: tuple[str, ...]
    umads: tuple[str, ...]
    driver_nodes: tuple[str, ...]
    rdma_cm: bool
    netns_mode: str | None


def scan_with_fingerprint(host: Host) -> tuple[Fingerprint | None, Inventory]:
    """A scan and its fingerprint. The fingerprint is None if the host changed during the scan.

    It is read before and after the scan. A device that disappears during the scan and returns
    later would otherwise not be noticed: the fingerprint from before has the device. Raises
    HostError.
    """
    before, inventory, after = _fingerprint(host), scan(host), _fingerprint(host)
    return (after if after == before else None), inventory


def differs(host: Host, before: Fingerprint | None, inventory: Inventory) -> bool:
    """Whether a new scan would find other HCAs, devices, port states or another mode.

    The port states are compared with those of the last scan, so no change is missed. Raises
    ExhaustedError.
    """
    try:
        return _fingerprint(host) != before or any(
            read_state(host, hca.name, port.number) != port.state
            for hca in inventory.hcas
            if hca.shareable
            for port in hca.ports
        )
    except HostError:
        return True


def _fingerprint(host: Host) -> Fingerprint:
    return Fingerprint(
        hcas=host.entries(CLASS_INFINIBAND),
        uverbs=host.entries(CLASS_VERBS),
        umads=host.entries(CLASS_MAD),
        driver_nodes=(*host.entries(CLASS_HFI1), *host.entries(CLASS_IPATH)),
        rdma_cm=host.is_directory(RDMA_CM),
        netns_mode=host.read_or_none(NETNS_MODE),
    )
