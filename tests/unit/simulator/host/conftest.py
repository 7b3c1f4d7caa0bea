"""Where the trees of these tests go."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator.scratch import scratch


@pytest.fixture
def root() -> Iterator[Path]:
    """A directory to build in."""
    with scratch("simulated-") as directory:
        yield Path(directory) / "host"
