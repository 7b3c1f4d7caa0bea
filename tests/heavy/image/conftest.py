"""Builds the image once, on a base that mmdebstrap makes: images cannot be pulled here.

Only `python -m tests.heavy.image` runs these tests: `make test` does not build images.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.heavy.image.builder import Image, build, keep, remove
from tests.paths import REPO

if "RDMA_DP_TEST_IMAGE" not in os.environ:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def image() -> Iterator[Image]:
    storage = Path(tempfile.mkdtemp(prefix="rdma-dp-image-"))
    try:
        built = build(storage, REPO)
        keep(storage, REPO)  # for the suites that run it
        yield built
    finally:
        remove(storage)
