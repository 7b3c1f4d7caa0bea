from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator.scratch import scratch


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory whose path is short enough for Unix sockets."""
    with scratch("m-") as made:
        yield Path(made)
