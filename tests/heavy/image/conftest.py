"""Builds the image once, on a base that mmdebstrap makes: images cannot be pulled here.

Only `python -m tests.heavy.image` runs these tests: `make test` does not build images.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.heavy.arm64 import NATIVE
from tests.heavy.image.builder import Image, build, keep, remove
from tests.paths import REPO

ARCHITECTURE = os.environ.get("RDMA_DP_TEST_IMAGE")

if ARCHITECTURE is None:
    collect_ignore_glob = ["test_*.py"]
elif ARCHITECTURE != NATIVE:
    # The first process would be the emulator, which has signal handlers of its own.
    collect_ignore = ["test_first_process.py"]


@pytest.fixture(scope="session")
def image() -> Iterator[Image]:
    storage = Path(tempfile.mkdtemp(prefix="rdma-dp-image-"))
    try:
        built = build(storage, REPO, ARCHITECTURE or NATIVE)
        if built.architecture == NATIVE:
            keep(storage, REPO)  # for the suites that run it
        yield built
    finally:
        remove(storage)
