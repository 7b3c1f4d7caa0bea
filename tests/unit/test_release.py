"""The packages of a release can be made again: the same commit makes the same bytes."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from rdma_dp import __version__
from tests.paths import REPO

BUILT = "0123456789ab 2026-11-27\n"
DATE = "1764201600"


def sources(directory: Path, *, mode: int) -> Path:
    """A tree as `make release` makes it, with other dates and modes each time."""
    for name in ("rdma_dp", "protos", "configs", *PLAIN):
        subprocess.run(["cp", "-r", REPO / name, directory / name], check=True)
    (directory / "rdma_dp" / "built.txt").write_text(BUILT)
    for file in directory.rglob("*"):
        if file.is_file():
            file.chmod(mode)
            os.utime(file, (mode, mode))
    return directory


PLAIN = ("pyproject.toml", "LICENSE", "NOTICE", "README.md", ".gitignore")


def packages(tree: Path, dist: Path) -> dict[str, bytes]:
    for target in ("wheel", "sdist"):
        subprocess.run(
            [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", dist],
            cwd=tree,
            env=os.environ | {"SOURCE_DATE_EPOCH": DATE},
            check=True,
            capture_output=True,
        )
    return {file.name: file.read_bytes() for file in dist.iterdir()}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages, made twice in different directories."""
    base = tmp_path_factory.mktemp("release")
    for name, mode in (("one", 0o644), ("another", 0o600)):
        tree = base / name
        tree.mkdir()
        packages(sources(tree, mode=mode), base / f"dist-{name}")
    return base


def test_the_same_commit_makes_the_same_bytes(built: Path) -> None:
    one, another = (
        {file.name: file.read_bytes() for file in (built / name).iterdir()}
        for name in ("dist-one", "dist-another")
    )
    assert one.keys() == {
        f"rdma_dp-{__version__}-py3-none-any.whl",
        f"rdma_dp-{__version__}.tar.gz",
    }
    assert one == another


def test_both_packages_say_their_version_and_commit(built: Path) -> None:
    wheel, sdist = sorted((built / "dist-one").iterdir(), key=lambda file: file.suffix != ".whl")
    with zipfile.ZipFile(wheel) as archive:
        assert archive.read("rdma_dp/built.txt").decode() == BUILT
        metadata = archive.read(f"rdma_dp-{__version__}.dist-info/METADATA").decode()
    assert f"\nVersion: {__version__}\n" in metadata
    with tarfile.open(sdist) as packed:
        file = packed.extractfile(f"rdma_dp-{__version__}/rdma_dp/built.txt")
        assert file is not None
        assert file.read().decode() == BUILT


def test_the_wheel_of_the_sdist_is_the_wheel(built: Path, tmp_path: Path) -> None:
    with tarfile.open(built / "dist-one" / f"rdma_dp-{__version__}.tar.gz") as packed:
        packed.extractall(tmp_path, filter="data")
    again = packages(tmp_path / f"rdma_dp-{__version__}", tmp_path / "dist")
    name = f"rdma_dp-{__version__}-py3-none-any.whl"
    assert again[name] == (built / "dist-one" / name).read_bytes()
