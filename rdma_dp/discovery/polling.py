"""Changes that make no event, found by a look that is cheap enough to repeat every few seconds.

The state of an InfiniBand port changes without a word from the kernel, and so does the mode of
network namespaces. Where no events come at all (a user namespace, a captured tree), neither do
HCAs that come and go.
"""

from dataclasses import dataclass

from rdma_dp.discovery.ports import read_state
from rdma_dp.discovery.scan import scan
from rdma_dp.host.files import Host, HostError
from rdma_dp.host.paths import CLASS_INFINIBAND, CLASS_MAD, CLASS_VERBS, NETNS_MODE, RDMA_CM
from rdma_dp.inventory.hardware import Inventory


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What is quickly read of a host: names, and the mode of network namespaces."""

    hcas: tuple[str, ...]
    uverbs: tuple[str, ...]
    umads: tuple[str, ...]
    rdma_cm: bool
    netns_mode: str | None


def scan_with_fingerprint(host: Host) -> tuple[Fingerprint | None, Inventory]:
    """A full scan, and a fingerprint that fits it; None if the host changed meanwhile.

    Two glimpses, since what vanishes during a scan may be back soon, and nothing would seem to have
    changed since the first. Raises HostError.
    """
    before, inventory, after = _fingerprint(host), scan(host), _fingerprint(host)
    return (after if after == before else None), inventory


def differs(host: Host, before: Fingerprint | None, inventory: Inventory) -> bool:
    """Whether a new scan would find other HCAs, nodes or port states, or another mode.

    The states are compared with those of the scan itself, so that no change falls between.
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
        rdma_cm=host.is_directory(RDMA_CM),
        netns_mode=host.read_or_none(NETNS_MODE),
    )
