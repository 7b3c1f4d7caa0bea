"""One node for all tests: the VM."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.heavy.node import private
from tests.heavy.node.conftest import pytest_runtest_makereport, pytest_terminal_summary
from tests.heavy.node.containerd import Containerd
from tests.heavy.node.process import logs
from tests.heavy.vm.inside import fabric
from tests.heavy.vm.node import parts, second_network
from tests.heavy.vm.node.node import Node

__all__ = ["pytest_runtest_makereport", "pytest_terminal_summary"]

CGROUPS = Path("/sys/fs/cgroup")
LOGGED = 40  # the lines of the plugin's log that a failure shows


@pytest.fixture(scope="session", autouse=True)
def machine() -> None:
    """Make the VM a node, with its HCAs."""
    private.become_the_node()
    private.empty_directories()
    logs().mkdir(parents=True)
    controllers = (CGROUPS / "cgroup.controllers").read_text().split()
    enabled = " ".join(f"+{name}" for name in controllers)
    (CGROUPS / "cgroup.subtree_control").write_text(enabled)
    (CGROUPS / private.cgroup()).mkdir()
    fabric.build()


@pytest.fixture(scope="session")
def containerd(machine: None) -> Iterator[Containerd]:
    parts.take_images()
    second_network.install()
    running = Containerd(network_plugins=str(second_network.BIN))
    yield running
    running.end()


@pytest.fixture(scope="session")
def the_node(containerd: Containerd) -> Iterator[Node]:
    node = Node()
    yield node
    node.kubelet.without_pods()
    node.kubelet.stop()


@pytest.fixture
def bare_node(the_node: Node, request: pytest.FixtureRequest) -> Iterator[Node]:
    """With the plugin of the test before."""
    the_node.figures = request.node.user_properties
    yield the_node
    sys.stdout.write("\n".join(the_node.plugin.said()[-LOGGED:]))
    the_node.tidy()
    the_node.unhurt()


@pytest.fixture
def node(bare_node: Node) -> Node:
    """With the plugin of deploy/base, and all its slots."""
    bare_node.run_plugin()
    return bare_node
