"""One cluster for all tests, with the VM as its node. Each test starts without pods and claims."""

from collections.abc import Iterator

import pytest

from tests.heavy.dra.dra_cluster import DraCluster
from tests.heavy.node.cluster.conftest import cluster
from tests.heavy.node.conftest import pytest_runtest_makereport, pytest_terminal_summary
from tests.heavy.node.containerd import Containerd
from tests.heavy.vm.dra import beside
from tests.heavy.vm.dra.verbs_pods import CONFIG
from tests.heavy.vm.inside.fabric import HCAS
from tests.heavy.vm.node.conftest import containerd, machine

__all__ = [
    "cluster",
    "containerd",
    "machine",
    "pytest_runtest_makereport",
    "pytest_terminal_summary",
]


@pytest.fixture(scope="session")
def _cluster(containerd: Containerd) -> Iterator[DraCluster]:
    """The fixture `cluster` takes it."""
    beside.connect()
    # kubelet gives up an update of its node's status after this time. 1 s is too short here.
    made = DraCluster(nodeStatusUpdateFrequency="10s")
    made.install(CONFIG, devices=len(HCAS))
    yield made
    made.end()
