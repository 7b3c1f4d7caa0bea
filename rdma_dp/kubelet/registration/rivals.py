"""Plugins of others that serve the same resource, or may: step 5 of the protocol in `handover`.

kubelet does not say which plugin serves a resource. A socket in plugins_registry answers GetInfo.
A socket in device-plugins usually does not: the one of the Go plugin (k8s-rdma-shared-dev-plugin)
has the name of its resource, and any other may belong to any resource. When such a socket ends, it
costs little to register once more, and a lost registration costs all slots.
"""

import asyncio
import logging
import stat
from collections.abc import Iterator, Sequence
from enum import Enum, auto
from pathlib import Path

from rdma_dp.aio.backoff import Backoff
from rdma_dp.aio.directory_watch import DirectoryWatch
from rdma_dp.kubelet.clients.channel import called
from rdma_dp.kubelet.clients.plugin_info import DEVICE_PLUGIN, ask_info
from rdma_dp.kubelet.directories import KUBELET_SOCKET
from rdma_dp.kubelet.registration.lost import Loss, Lost
from rdma_dp.kubelet.registration.neighbours import Neighbours
from rdma_dp.kubelet.sockets import is_our_name, paths_in

logger = logging.getLogger(__name__)


class Serves(Enum):
    """What is known of the resource of a foreign socket."""

    OURS = auto()
    MAYBE_OURS = auto()  # by its name
    UNKNOWN = auto()
    ANOTHER = auto()


_WARNINGS = {
    Serves.OURS: "serves %s, too",
    Serves.MAYBE_OURS: "may serve %s, too: the Go plugin gives its socket this name",
}


class Rivals(Neighbours):
    """The sockets of plugins of others in kubelet's directories.

    A key has the identity of the file: a socket that is made anew is another one.
    """

    lost = Lost.RIVAL_GONE

    def __init__(self, resource: str, watches: Sequence[DirectoryWatch]) -> None:
        super().__init__(watches)
        self._resource = resource
        self._serves: dict[str, Serves] = {}
        self._backoff = Backoff()

    def _candidates(self) -> Iterator[tuple[str, Path]]:
        for watch in self._watches:
            for path in paths_in(watch.directory):
                if path.name == KUBELET_SOCKET or path.name[0] == "." or is_our_name(path.name):
                    continue
                key = _key(path)
                if key is not None and self._serves.get(key) is not Serves.ANOTHER:
                    yield key, path

    async def gone(self, pause: float) -> Loss:
        """As for all neighbours; after one that restarts again and again it takes longer."""
        loss = await super().gone(pause)
        await self._pause(self._backoff.delay())
        return loss

    async def _observe(self) -> None:
        """Finds out of new sockets which resource they serve, and logs those that serve ours."""
        new = {key: path for key, path in self.present().items() if key not in self._serves}
        answers = await asyncio.gather(*(self._asked(path) for path in new.values()))
        for (key, path), serves in zip(new.items(), answers, strict=True):
            self._serves[key] = serves
            if serves is Serves.ANOTHER:
                self._seen -= {key}
                self._since_begin -= {key}
            elif serves in _WARNINGS:
                self._warn(path, serves)

    async def _asked(self, path: Path) -> Serves:
        info, _ = await called(path, ask_info)
        if info is not None:
            name, kind = info
            ours = kind == DEVICE_PLUGIN and name == self._resource
            return Serves.OURS if ours else Serves.ANOTHER
        alike = path.name == f"{self._resource.rpartition('/')[2]}.sock"
        return Serves.MAYBE_OURS if alike else Serves.UNKNOWN

    def _warn(self, path: Path, serves: Serves) -> None:
        logger.warning(
            "%s: another plugin on %s %s. kubelet gives slots of the one that registered last, and"
            " counts 0 for a moment when one of the two ends. Find its pod with `kubectl get pods"
            " -A -o wide --field-selector spec.nodeName=NODE` and delete its DaemonSet; rdma-dp"
            " registers again then",
            self._resource,
            path,
            _WARNINGS[serves] % self._resource,
        )

    def _detail(self, gone: frozenset[str]) -> str:
        sure = all(self._serves.get(key) is Serves.OURS for key in gone)
        names = ", ".join(sorted(key.rpartition(" ")[0] for key in gone))
        return f"the plugin on {names} ended, which {'served' if sure else 'may have served'} it"


def _key(path: Path) -> str | None:
    """The path and the identity of a socket; None when it is not one. Raises OSError."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    return f"{path} {found.st_ino}-{found.st_mtime_ns}" if stat.S_ISSOCK(found.st_mode) else None
