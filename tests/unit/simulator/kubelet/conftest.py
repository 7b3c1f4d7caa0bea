import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from simulator.kubelet import SimulatedKubelet
from tests.unit.simulator.kubelet.plugin import ScriptedPlugin


@pytest.fixture
def root() -> Iterator[Path]:
    """A short path: the name of a unix socket has room for 107 bytes."""
    directory = Path(tempfile.mkdtemp(prefix="k", dir="/tmp"))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
async def kubelet(root: Path) -> AsyncIterator[SimulatedKubelet]:
    async with SimulatedKubelet(root) as running:
        yield running


@pytest.fixture
async def plugin() -> AsyncIterator[ScriptedPlugin]:
    scripted = ScriptedPlugin()
    yield scripted
    await scripted.stop()


@pytest.fixture
async def other() -> AsyncIterator[ScriptedPlugin]:
    scripted = ScriptedPlugin()
    yield scripted
    await scripted.stop()


@pytest.fixture
async def forgetful_kubelet(root: Path) -> AsyncIterator[SimulatedKubelet]:
    async with SimulatedKubelet(root, grace=0.05) as running:
        yield running
