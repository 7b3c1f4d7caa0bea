"""Makes the release once. Only `python -m tests.heavy.release` runs these tests."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.heavy.image import builder
from tests.paths import REPO

ARCHITECTURES = os.environ.get("RDMA_DP_TEST_RELEASE", "").split()

if not ARCHITECTURES:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def architectures() -> list[str]:
    """Those of the image: arm64 only on a machine that can run its programs."""
    return ARCHITECTURES


@pytest.fixture(scope="session")
def storage() -> Iterator[Path]:
    """buildah's, with the images."""
    with tempfile.TemporaryDirectory(prefix="rdma-dp-release-") as directory:
        try:
            yield Path(directory)
        finally:
            builder.remove(Path(directory))


@pytest.fixture(scope="session")
def dist(storage: Path, architectures: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("release") / "dist"
    subprocess.run(
        [sys.executable, "-m", "scripts.release", "--to", made],
        cwd=REPO,
        env=os.environ | builder.for_other_programs(storage, *architectures),
        check=True,
    )
    return made
