import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def directory() -> Iterator[Path]:
    """A short path: the name of a unix socket has room for 107 bytes."""
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else "/tmp"
    made = Path(tempfile.mkdtemp(prefix="k-", dir=base))
    yield made
    shutil.rmtree(made)
