"""One cluster with our driver for all tests. Each test starts without pods and claims."""

from collections.abc import Iterator

import pytest

from tests.heavy.dra.dra_cluster import DraCluster
from tests.heavy.node.cluster.conftest import cluster
from tests.heavy.node.conftest import (
    ENABLED,
    pytest_runtest_makereport,
    pytest_terminal_summary,
)

__all__ = ["cluster", "pytest_runtest_makereport", "pytest_terminal_summary"]

if not ENABLED:
    collect_ignore_glob = ["*"]


@pytest.fixture(scope="session")
def _cluster() -> Iterator[DraCluster]:
    """The fixture `cluster` takes it."""
    made = DraCluster()
    made.install()
    yield made
    made.end()
