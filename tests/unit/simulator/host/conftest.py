"""A directory for the trees of these tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator.scratch import scratch


@pytest.fixture
def root() -> Iterator[Path]:
    """A path to build a host at; it does not exist yet."""
    with scratch("simulated-") as directory:
        yield Path(directory) / "host"
