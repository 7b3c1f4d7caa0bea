"""Whether an earlier process left prepared claims. Imported also where nothing is via DRA."""

from pathlib import Path

from rdma_dp.host.files import EXHAUSTED
from rdma_dp.kubelet.directories import CLAIMS, KubeletDirectories
from rdma_dp.kubelet.sockets import paths_in


def drivers_with_claims(directories: KubeletDirectories) -> frozenset[str]:
    """The names of our drivers below kubelet's plugins directory that still have claims.

    Raises OSError.
    """
    drivers = paths_in(directories.plugins)
    return frozenset(path.name for path in drivers if _has_claims(path / CLAIMS))


def _has_claims(directory: Path) -> bool:
    try:
        return bool(paths_in(directory))
    except OSError as error:
        if error.errno in EXHAUSTED:
            raise
        return False  # of another driver, or a mount that is gone
