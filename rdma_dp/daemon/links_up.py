"""Setting netdevs up, once and only when told to.

The Go plugin sets every matching netdev up when it starts, and clusters lean on that. A link is
never taken down, and one that somebody takes down later stays down: it is set up when it appears.
"""

import logging
from collections.abc import Callable, Iterable

from rdma_dp.host.files import ExhaustedError
from rdma_dp.host.netlink.links import LinkError
from rdma_dp.inventory.hardware import Hca, NetDevice

logger = logging.getLogger(__name__)

SetUp = Callable[[str], None]
IndexOf = Callable[[str], int | None]


class LinkKeeper:
    """Remembers which netdevs it has seen, so that each is set up once.

    A netdev is known by its index: it outlives a new name, a name may be another netdev later, and
    no index is used twice. So an HCA that leaves a resource for a while has no new netdevs.
    """

    def __init__(self, set_up: SetUp, index_of: IndexOf) -> None:
        self._set_up = set_up
        self._index_of = index_of
        self._seen: set[int] = set()

    def look(self, hcas: Iterable[Hca]) -> bool:
        """Sets the down netdevs up that are here for the first time; whether there was one."""
        changed = False
        try:
            for hca in hcas:
                for netdev in hca.netdevs:
                    changed |= self._set_up_once(netdev, hca.name)
        except ExhaustedError as error:  # the next scan tries again
            logger.warning("not all netdevs were checked: %s", error)
        return changed

    def _set_up_once(self, netdev: NetDevice, hca: str) -> bool:
        index = self._index_of(netdev.name)
        if index is None or index in self._seen:
            return False
        changed = netdev.admin_up is False and self._try(netdev.name, hca)
        self._seen.add(index)
        return changed

    def _try(self, netdev: str, hca: str) -> bool:
        try:
            self._set_up(netdev)
        except LinkError as error:
            logger.warning("cannot set %s of %s up: %s", netdev, hca, error)
            return False
        logger.info("set %s of %s up: it was administratively down", netdev, hca)
        return True
