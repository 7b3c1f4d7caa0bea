"""The node of each test: it is made anew only when a test wants another, or left it in disorder.

Only `python -m tests.node` runs these tests.
"""

import os
import re
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest

from tests.node.containerd import Containerd
from tests.node.node import Node, Setting
from tests.node.process import logs

ENABLED = "RDMA_DP_TEST_NODE" in os.environ

if not ENABLED:
    collect_ignore_glob = ["test_*.py"]

_FAILED = pytest.StashKey[bool]()
_LAST_LINES = 25
_TELLING = {  # which lines of a log are worth reading
    "containerd": re.compile("level=(error|fatal)"),
    "kubelet": re.compile(r"rdma_shared|^[EF]\d{4}|^panic|^goroutine"),
}

NodeOf = Callable[[Setting], Node]


@pytest.fixture(scope="session", params=["device-plugins", "plugins-registry"])
def way(request: pytest.FixtureRequest) -> str:
    """How the plugin registers."""
    return str(request.param)


@pytest.fixture(scope="session", params=["resource", "hca"])
def per(request: pytest.FixtureRequest) -> str:
    """What slots are counted for."""
    return str(request.param)


@pytest.fixture(scope="session")
def containerd() -> Iterator[Containerd]:
    running = Containerd()
    yield running
    running.end()


class _Stage:
    """Holds the one node that there can be."""

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


@pytest.fixture(scope="session")
def _stage(containerd: Containerd) -> Iterator[_Stage]:
    stage = _Stage()
    yield stage
    stage.clear()


@pytest.fixture
def node_without_plugin(request: pytest.FixtureRequest, _stage: _Stage) -> Iterator[NodeOf]:
    """Makes a node of a setting, on which no plugin has run yet."""

    def make(setting: Setting) -> Node:
        _stage.clear()
        return _stage.show(setting, request.node.user_properties)

    yield make
    try:
        if _stage.node and not request.node.stash.get(_FAILED, False):
            _stage.node.unhurt()
    finally:
        _stage.clear()


@pytest.fixture
def node_of(request: pytest.FixtureRequest, _stage: _Stage) -> Iterator[NodeOf]:
    """Makes a node of a setting, or takes the one that there is."""

    def make(setting: Setting) -> Node:
        node = _stage.show(setting, request.node.user_properties)
        if not node.plugins:
            node.start_plugin()
            node.counts_all("the plugin starts on a new node")
        return node

    yield make
    in_order = False
    try:
        if _stage.node and not request.node.stash.get(_FAILED, False):
            _stage.node.unhurt()
            in_order = _stage.node.tidy()
    finally:
        if not in_order:
            _stage.clear()


@pytest.fixture
def node(node_of: NodeOf, way: str, per: str) -> Node:
    """A node where the plugin registers one way and counts one way."""
    return node_of(Setting(way, per))


# --- the report ----------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """With a failure go the last lines of the logs."""
    report = yield
    if report.failed:
        item.stash[_FAILED] = True
        for log in sorted(logs().glob("*.log")):
            lines = log.read_text(errors="replace").splitlines()
            if telling := _TELLING.get(log.stem):
                lines = [line for line in lines if telling.search(line)]
            report.sections.append((log.name, "\n".join(lines[-_LAST_LINES:])))
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The table of steps."""
    if not ENABLED:
        return
    terminalreporter.section("steps")
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            terminalreporter.write_line(f"{outcome}  {report.duration:6.2f} s  {_title(report)}")
            for step, seconds in report.user_properties:
                if isinstance(seconds, float):
                    terminalreporter.write_line(f"        {seconds:6.2f} s      {step}")


def _title(report: Any) -> str:
    path, _, name = report.nodeid.partition("::")
    return f"{path.rpartition('/')[2][5:-3]}: {name.removeprefix('test_').replace('_', ' ')}"
