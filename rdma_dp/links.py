"""Setting netdevs up, once and only when told to.

The Go plugin sets every matching netdev up when it starts, and clusters lean on that. A link is
never taken down, and one that somebody takes down later stays down: it is set up when it appears.
"""

import errno
import logging
import socket
from collections.abc import Callable, Iterable

from rdma_dp.errors import RdmaDpError
from rdma_dp.model import Hca

logger = logging.getLogger(__name__)

SetUp = Callable[[str], None]
IndexOf = Callable[[str], int | None]


class LinkError(RdmaDpError):
    """A link that could not be set up."""


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
        for hca in hcas:
            for netdev in hca.netdevs:
                index = self._index_of(netdev.name)
                if index is not None and index not in self._seen:
                    self._seen.add(index)
                    changed |= netdev.admin_up is False and self._try(netdev.name, hca.name)
        return changed

    def _try(self, netdev: str, hca: str) -> bool:
        try:
            self._set_up(netdev)
        except LinkError as error:
            logger.warning("cannot set %s of %s up: %s", netdev, hca, error)
            return False
        logger.info("set %s of %s up: it was administratively down", netdev, hca)
        return True


def set_up(netdev: str) -> None:
    """`ip link set NETDEV up`. Raises LinkError."""
    # Imported here: pyroute2 costs 75 ms, and few nodes have a link to set up.
    from pyroute2 import IPRoute, NetlinkError  # noqa: PLC0415

    try:
        with IPRoute() as route:
            route.link("set", index=socket.if_nametoindex(netdev), state="up")
    except (OSError, NetlinkError) as error:
        code = getattr(error, "code", None) or getattr(error, "errno", None)
        if code == errno.EPERM:
            raise LinkError(
                "not permitted",
                f"type `ip link set {netdev} up`, or give the container the capability NET_ADMIN",
            ) from error
        raise LinkError(str(error)) from error


def index_of(netdev: str) -> int | None:
    """The index of a netdev; None when it is gone."""
    try:
        return socket.if_nametoindex(netdev)
    except OSError:
        return None
