"""Makes the release once. Only `python -m tests.heavy.release` runs these tests."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.heavy.arm64 import ARCHITECTURES
from tests.heavy.image import builder
from tests.paths import REPO

if "RDMA_DP_TEST_RELEASE" not in os.environ:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def dist() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="rdma-dp-release-") as directory:
        storage = Path(directory, "storage")
        made = Path(directory, "dist")
        try:
            variables = builder.for_other_programs(storage, *ARCHITECTURES)
            subprocess.run(
                [sys.executable, "-m", "scripts.release", "--to", made],
                cwd=REPO,
                env=os.environ | variables,
                check=True,
            )
            yield made
        finally:
            builder.remove(storage)
