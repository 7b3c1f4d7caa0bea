"""Which drivers have prepared claims, from the directories that kubelet keeps for them."""

from pathlib import Path

from rdma_dp.daemon.dra.leftover_claims import drivers_with_claims
from rdma_dp.kubelet.directories import CLAIMS, KubeletDirectories


def test_a_driver_with_claims_is_found_beside_directories_that_cannot_be_read(
    tmp_path: Path,
) -> None:
    directories = KubeletDirectories.below(tmp_path)
    claims = directories.plugins / "hca.example.org" / CLAIMS
    claims.mkdir(parents=True)
    (claims / "uid.json").write_text("{}")
    loop = directories.plugins / "of-another.example.org"
    loop.symlink_to(loop.name)
    assert drivers_with_claims(directories) == {"hca.example.org"}


def test_a_directory_of_drivers_that_cannot_be_read_has_none(tmp_path: Path) -> None:
    directories = KubeletDirectories.below(tmp_path)
    directories.plugins.symlink_to(directories.plugins.name)
    assert drivers_with_claims(directories) == frozenset()
