"""Only `python -m tests.heavy.monitoring` runs these tests: `make test` fetches no Prometheus."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator.scratch import scratch

if "RDMA_DP_TEST_MONITORING" not in os.environ:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory whose path is short enough for Unix sockets."""
    with scratch("m-") as made:
        yield Path(made)
