from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator.scratch import scratch


@pytest.fixture
def directory() -> Iterator[Path]:
    with scratch("k-") as made:
        yield Path(made)
