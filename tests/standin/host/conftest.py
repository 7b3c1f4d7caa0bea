"""Where the trees of these tests go."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

_MEMORY = Path("/dev/shm")


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A directory to build in, in memory where there is such: trees are thousands of files."""
    base = _MEMORY if os.access(_MEMORY, os.W_OK) else tmp_path
    with tempfile.TemporaryDirectory(prefix="standin-", dir=base) as directory:
        yield Path(directory) / "host"
