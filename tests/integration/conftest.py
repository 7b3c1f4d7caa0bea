from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from simulator.api_server import FakeApiServer
from simulator.kubelet import SimulatedKubelet
from simulator.scratch import scratch
from tests.integration.daemon.claiming import NODE
from tests.integration.daemon.process import Node


@pytest.fixture
def directory() -> Iterator[Path]:
    with scratch("d-") as made:
        yield Path(made)


@pytest.fixture
def node(directory: Path) -> Node:
    return Node(directory)


@pytest.fixture
def per_path() -> bool:
    """Whether `kubelet` is 1.37, and not 1.36. A story that differs has it as a parameter."""
    return False


@pytest.fixture
async def kubelet(node: Node, per_path: bool) -> AsyncIterator[SimulatedKubelet]:
    """A kubelet that runs. At the end, no plugin may have violated its contract."""
    async with SimulatedKubelet(node.kubelet_root, per_path=per_path) as running:
        yield running
    assert running.violations == []


@pytest.fixture
async def no_kubelet(node: Node) -> AsyncIterator[SimulatedKubelet]:
    """A kubelet for the test to start."""
    kubelet = SimulatedKubelet(node.kubelet_root)
    yield kubelet
    await kubelet.stop()
    assert kubelet.violations == []


@pytest.fixture
async def api(directory: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeApiServer]:
    """An API server with NODE. The daemon's environment points to it."""
    async with FakeApiServer() as running:
        running.add_node(NODE)
        for name, value in running.environment(directory / "account").items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("NODE_NAME", NODE)
        yield running
