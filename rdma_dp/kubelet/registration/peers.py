"""Other rdma-dp processes that serve the same resource: see the protocol in `handover`."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rdma_dp.aio.directory_watch import DirectoryWatch
from rdma_dp.kubelet.registration.lost import Lost
from rdma_dp.kubelet.registration.neighbours import Neighbours
from rdma_dp.kubelet.sockets import paths_in

_PROBE_INTERVAL = 0.05  # seconds


class Peers(Neighbours):
    """The peers of the process that serves on `own`, in the directories that are watched.

    A key is the name of a socket: a peer may have one of the same name in each directory.
    """

    lost = Lost.PEER_GONE

    def __init__(self, own: Path, watches: Sequence[DirectoryWatch]) -> None:
        super().__init__(watches)
        self._own = own

    def _candidates(self) -> Iterator[tuple[str, Path]]:
        for watch in self._watches:
            for path in paths_in(watch.directory):
                if self._may_be_peer(path.name):
                    yield path.name, path

    def _may_be_peer(self, name: str) -> bool:
        """By the form that `socket_name` gives them."""
        same = name.startswith(f"{self._own.name.rpartition('-')[0]}-") and name.endswith(".sock")
        return same and name != self._own.name

    async def until_gone(self, some: Iterable[str]) -> None:
        """Until none of these serves any more."""
        # Probed, not watched: the watch ends when this process does.
        while {*some} & self.present().keys():  # noqa: ASYNC110
            await asyncio.sleep(_PROBE_INTERVAL)
