"""One cluster for all tests. Each test starts without anything of rdma-dp on it."""

from collections.abc import Iterator

import pytest

from tests.heavy.node.cluster.cluster import Cluster
from tests.heavy.node.conftest import FAILED


@pytest.fixture(scope="package")
def _cluster() -> Iterator[Cluster]:
    made = Cluster()
    yield made
    made.end()


@pytest.fixture
def cluster(_cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    _cluster.figures = request.node.user_properties
    yield _cluster
    try:
        if not request.node.stash.get(FAILED, False):
            _cluster.unhurt()
    finally:
        _cluster.tidy()
