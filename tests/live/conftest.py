import logging
from collections.abc import Iterator

import pytest

from ..daemon.conftest import directory, kubelet, no_kubelet, node
from .logs import Log

__all__ = ["directory", "kubelet", "no_kubelet", "node"]


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[Log]:
    """The log, as it is written by default."""
    log = Log()
    caplog.set_level(logging.INFO)
    logging.getLogger().addHandler(log)
    yield log
    logging.getLogger().removeHandler(log)
