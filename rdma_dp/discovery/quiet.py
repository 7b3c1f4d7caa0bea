"""Changes that make no event, found by a look that is cheap enough to repeat every few seconds.

The state of an InfiniBand port changes without a word from the kernel. Where no events come at all
(a user namespace, a captured tree), neither do HCAs that come and go.
"""

from rdma_dp.discovery.ports import read_state
from rdma_dp.discovery.scan import scan
from rdma_dp.host import CLASS_INFINIBAND, CLASS_VERBS, Host, HostError
from rdma_dp.model import Inventory

Names = tuple[tuple[str, ...], tuple[str, ...]]


def scan_with_names(host: Host) -> tuple[Names, Inventory]:
    """A full scan, and the names that were there before it began. Raises HostError."""
    return _names(host), scan(host)


def differs(host: Host, names: Names, inventory: Inventory) -> bool:
    """Whether a new scan would find other HCAs, other uverbs or other port states.

    The states are compared with those of the scan itself, so that no change falls between.
    """
    try:
        return _names(host) != names or any(
            read_state(host, hca.name, port.number) != port.state
            for hca in inventory.hcas
            if hca.shareable
            for port in hca.ports
        )
    except HostError:
        return True


def _names(host: Host) -> Names:
    return host.entries(CLASS_INFINIBAND), host.entries(CLASS_VERBS)
