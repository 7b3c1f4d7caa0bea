"""One cluster with our driver for all tests. Each test starts without pods and claims."""

from collections.abc import Iterator

import pytest

from tests.heavy.dra import audit
from tests.heavy.dra.dra_cluster import CONTROLLERS, DraCluster
from tests.heavy.dra.manifests import config_of
from tests.heavy.node.cluster.conftest import cluster, containerd, hardware
from tests.heavy.node.cluster.control_plane import Access, ControlPlane
from tests.heavy.node.conftest import (
    ENABLED,
    pytest_runtest_makereport,
    pytest_terminal_summary,
)
from tests.heavy.node.containerd import Containerd

__all__ = [
    "cluster",
    "containerd",
    "hardware",
    "pytest_runtest_makereport",
    "pytest_terminal_summary",
]

if not ENABLED:
    collect_ignore_glob = ["*"]


@pytest.fixture(scope="package")
def control_plane() -> Iterator[ControlPlane]:
    """With RBAC and an audit log."""
    made = ControlPlane(Access("RBAC", audit.write_policy(), CONTROLLERS))
    yield made
    made.end()


@pytest.fixture(scope="package")
def _cluster(containerd: Containerd, control_plane: ControlPlane) -> Iterator[DraCluster]:
    """The fixture `cluster` takes it."""
    made = DraCluster()
    made.install(config_of(), devices=9)
    yield made
    made.end()
