"""Sets netdevs of chosen HCAs up, once, and only if the config or the command line wants it.

The Go plugin sets every matching netdev up when it starts, and clusters rely on that. rdma-dp sets
a link up when the link appears. It never takes a link down, and a link that an administrator takes
down later stays down.
"""

import logging
from collections.abc import Callable, Iterable

from rdma_dp.aio.latest import Observable
from rdma_dp.aio.threads import in_thread
from rdma_dp.errors import FAILED_READ
from rdma_dp.host.netlink.links import LinkError, index_of, set_up
from rdma_dp.inventory.hardware import Hca, NetDevice
from rdma_dp.metrics import Metrics
from rdma_dp.sharing.state import NodeState

logger = logging.getLogger(__name__)

SetUp = Callable[[str], None]
IndexOf = Callable[[str], int | None]


async def follow(
    offered: Observable[NodeState],
    changed: Callable[[], None],
    keeper: "LinkKeeper | None" = None,
    metrics: Metrics | None = None,
) -> None:
    """Sets the links of each offered state up, where its config wants that, until cancelled.

    `changed` is called when a link was set up.
    """
    keeper = keeper or LinkKeeper(set_up, index_of, metrics)
    async for state in offered.watch():
        if state.config.set_links_up and await in_thread(keeper.set_new_links_up, state.hcas):
            changed()


class LinkKeeper:
    """Remembers the netdevs that it has seen, so that each is set up once.

    A netdev is remembered by its index. The index stays when the name changes, and the kernel uses
    no index twice, while a name may belong to another netdev later. An HCA that leaves a resource
    for a while therefore has no new netdevs.
    """

    def __init__(self, set_up: SetUp, index_of: IndexOf, metrics: Metrics | None = None) -> None:
        self._metrics = metrics or Metrics()
        self._set_up = set_up
        self._index_of = index_of
        self._seen: set[int] = set()

    def set_new_links_up(self, hcas: Iterable[Hca]) -> bool:
        """Sets new netdevs up that are administratively down. Returns whether one was set up."""
        changed = False
        try:
            for hca in hcas:
                for netdev in hca.netdevs:
                    changed |= self._set_up_once(netdev, hca.name)
        except FAILED_READ as error:  # the next scan tries again
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
        self._metrics.links_set_up.add()
        logger.info("set %s of %s up: it was administratively down", netdev, hca)
        return True
