"""One cluster with our driver for all tests. Each test starts without pods and claims."""

from collections.abc import Iterator

import pytest

from tests.heavy.dra.dra_cluster import DraCluster
from tests.heavy.node.conftest import (
    ENABLED,
    FAILED,
    pytest_runtest_makereport,
    pytest_terminal_summary,
)

__all__ = ["pytest_runtest_makereport", "pytest_terminal_summary"]

if not ENABLED:
    collect_ignore_glob = ["*"]


@pytest.fixture(scope="session")
def _cluster() -> Iterator[DraCluster]:
    made = DraCluster()
    made.install()
    yield made
    made.end()


@pytest.fixture
def cluster(_cluster: DraCluster, request: pytest.FixtureRequest) -> Iterator[DraCluster]:
    _cluster.figures = request.node.user_properties
    yield _cluster
    try:
        if not request.node.stash.get(FAILED, False):
            _cluster.unhurt()
    finally:
        _cluster.tidy()
