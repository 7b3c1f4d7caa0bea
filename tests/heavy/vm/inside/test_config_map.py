"""The config is in a ConfigMap mount, as in a pod: every update swaps the link ..data."""

import itertools
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.heavy.vm.inside import fabric
from tests.heavy.vm.inside.fabric import FABRIC_A, FABRIC_B, STORAGE
from tests.heavy.vm.inside.node import Resource, config, running_node_with


class ConfigMap:
    """A volume with one key, written as kubelet does it (pkg/volume/util/atomic_writer.go)."""

    def __init__(self, volume: Path, mounted: Path) -> None:
        self._volume = volume
        self._versions = itertools.count()
        self.file = mounted / "config.json"

    def update(self, text: str) -> None:
        """Make a directory with the new content. Then one rename replaces everything."""
        data = self._volume / "..data"
        old = data.resolve() if data.exists() else None
        new = self._volume / f"..2025_{next(self._versions)}"
        new.mkdir()
        (new / self.file.name).write_text(text)
        following = self._volume / "..data_tmp"
        following.symlink_to(new.name)
        following.replace(data)
        if old:
            (old / self.file.name).unlink()
            old.rmdir()
        else:
            (self._volume / self.file.name).symlink_to(f"..data/{self.file.name}")


@contextmanager
def config_map() -> Iterator[ConfigMap]:
    """A tmpfs, and a read-only bind mount of it at the path in the container."""
    with tempfile.TemporaryDirectory() as directory:
        volume, mounted = Path(directory, "volume"), Path(directory, "mounted")
        for path in (volume, mounted):
            path.mkdir()
        fabric.run("mount", "-t", "tmpfs", "tmpfs", str(volume))
        fabric.run("mount", "-o", "bind,ro", str(volume), str(mounted))
        try:
            yield ConfigMap(volume, mounted)
        finally:
            fabric.run("umount", str(mounted), str(volume))


def resource(name: str, slots: int, netdev: str) -> Resource:
    return {"resourceName": name, "rdmaHcaMax": slots, "selectors": {"ifNames": [netdev]}}


KEPT = resource("kept", 2, STORAGE.netdev)


async def test_every_update_reaches_kubelet_and_a_wrong_one_does_not() -> None:
    with config_map() as mounted:
        mounted.update(config(KEPT, resource("grown", 2, FABRIC_A.netdev)))
        async with running_node_with(mounted.file) as node:
            await node.lists("rdma/kept", healthy=2)
            await node.lists("rdma/grown", healthy=2)
            before = list(node.events("rdma/kept"))

            mounted.update(config(KEPT, resource("grown", 5, FABRIC_A.netdev)))
            await node.lists("rdma/grown", healthy=5)

            mounted.update('{"configList": [')
            await node.daemon.says("the last good config stays in force")

            mounted.update(config(KEPT, resource("grown", 3, FABRIC_B.netdev)))
            await node.lists("rdma/grown", healthy=3, unhealthy=2)
            await node.hands_out("rdma/grown", {*FABRIC_B.nodes, fabric.RDMA_CM})

            mounted.update(config(KEPT, resource("new", 1, FABRIC_A.netdev)))
            await node.lists("rdma/new", healthy=1)
            await node.daemon.says("rdma/grown left the config")

            assert list(node.events("rdma/kept")) == before
