"""Whether an earlier process left prepared claims. Imported also where nothing is via DRA."""

from pathlib import Path

from rdma_dp.host.files import EXHAUSTED
from rdma_dp.kubelet.directories import CLAIMS, KubeletDirectories
from rdma_dp.kubelet.sockets import paths_in


def drivers_with_claims(directories: KubeletDirectories) -> frozenset[str]:
    """The names of our drivers below kubelet's plugins directory that still have claims.

    Raises OSError when descriptors or memory are used up.
    """
    drivers = _readable(directories.plugins)
    return frozenset(path.name for path in drivers if _readable(path / CLAIMS))


def _readable(directory: Path) -> list[Path]:
    """What is in a directory. Nothing if it cannot be read: it is another driver's, or stale."""
    try:
        return paths_in(directory)
    except OSError as error:
        if error.errno in EXHAUSTED:
            raise
        return []
