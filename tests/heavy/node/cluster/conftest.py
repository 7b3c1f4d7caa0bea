"""One cluster for all tests. Each test starts without anything of rdma-dp on it."""

import os
from collections.abc import Iterator

import pytest

from tests.heavy.node.cluster import network
from tests.heavy.node.cluster.cluster import ARCHIVE, Cluster
from tests.heavy.node.cluster.control_plane import ControlPlane
from tests.heavy.node.cluster.hardware import RUNC, Hardware
from tests.heavy.node.conftest import FAILED
from tests.heavy.node.containerd import Containerd, ctr

SAMPLE = "dgx-h100"


@pytest.fixture(scope="package")
def hardware() -> Iterator[Hardware]:
    """The HCAs of a sample host."""
    made = Hardware(SAMPLE)
    yield made
    made.end()


@pytest.fixture(scope="package")
def containerd(hardware: Hardware) -> Iterator[Containerd]:
    """It has our image, and its containers see these HCAs."""
    running = Containerd(str(RUNC), network.configure())
    ctr("images", "import", os.environ[ARCHIVE])
    yield running
    running.end()


@pytest.fixture(scope="package")
def control_plane() -> Iterator[ControlPlane]:
    made = ControlPlane()
    yield made
    made.end()


@pytest.fixture(scope="package")
def _cluster(containerd: Containerd, control_plane: ControlPlane) -> Iterator[Cluster]:
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
