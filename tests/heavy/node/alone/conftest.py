"""The node of each test. It is made again only if a test needs another one, or left it changed."""

from collections.abc import Callable, Iterator

import pytest

from tests.heavy.node.conftest import FAILED
from tests.heavy.node.containerd import Containerd
from tests.heavy.node.node import Node, Setting

NodeOf = Callable[[Setting], Node]


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option of `test-kubelets` for a run that must be short."""
    parser.addoption("--core", action="store_true", help="only the tests that are marked core")


def pytest_configure(config: pytest.Config) -> None:
    """Name the mark."""
    config.addinivalue_line(
        "markers", "core(PARAMETER=VALUE...): --core runs it, with these values alone"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With `--core`, keep only those tests."""
    if config.getoption("core", False):
        left = [item for item in items if not _is_core(item)]
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]


def _is_core(item: pytest.Item) -> bool:
    mark = item.get_closest_marker("core")
    values = item.callspec.params if hasattr(item, "callspec") else {}
    return mark is not None and all(
        values.get(name, wanted) == wanted for name, wanted in mark.kwargs.items()
    )


@pytest.fixture(scope="session", params=["device-plugins", "plugins-registry"])
def way(request: pytest.FixtureRequest) -> str:
    """How the plugin registers."""
    return str(request.param)


@pytest.fixture(scope="session", params=["resource", "hca"])
def per(request: pytest.FixtureRequest) -> str:
    """What slots are counted for."""
    return str(request.param)


@pytest.fixture(scope="package")
def containerd() -> Iterator[Containerd]:
    running = Containerd()
    yield running
    running.end()


class _Stage:
    """Holds the only node."""

    def __init__(self) -> None:
        self.node: Node | None = None

    def show(self, setting: Setting, figures: list[tuple[str, object]]) -> Node:
        if self.node is None or self.node.setting != setting:
            self.clear()
            self.node = Node(setting)
        self.node.figures = figures
        return self.node

    def clear(self) -> None:
        if self.node:
            self.node.end()
            self.node = None


@pytest.fixture(scope="package")
def _stage(containerd: Containerd) -> Iterator[_Stage]:
    stage = _Stage()
    yield stage
    stage.clear()


@pytest.fixture
def node_without_plugin(request: pytest.FixtureRequest, _stage: _Stage) -> Iterator[NodeOf]:
    """Make a node of a setting, on which no plugin has run yet."""

    def make(setting: Setting) -> Node:
        _stage.clear()
        return _stage.show(setting, request.node.user_properties)

    yield make
    try:
        if _stage.node and not request.node.stash.get(FAILED, False):
            _stage.node.unhurt()
    finally:
        _stage.clear()


@pytest.fixture
def node_of(request: pytest.FixtureRequest, _stage: _Stage) -> Iterator[NodeOf]:
    """Make a node of a setting, or return the existing one."""

    def make(setting: Setting) -> Node:
        node = _stage.show(setting, request.node.user_properties)
        if not node.plugins:
            node.start_plugin()
            node.counts_all("the plugin starts on a new node")
        return node

    yield make
    in_order = False
    try:
        if _stage.node and not request.node.stash.get(FAILED, False):
            _stage.node.unhurt()
            in_order = _stage.node.tidy()
    finally:
        if not in_order:
            _stage.clear()


@pytest.fixture
def node(node_of: NodeOf, way: str, per: str) -> Node:
    """A node for each mode of registration and each `slotsPer`."""
    return node_of(Setting(way, per))
