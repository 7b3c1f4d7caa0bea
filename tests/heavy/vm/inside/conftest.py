"""One set of HCAs for the whole suite, and netdevs for two more."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.heavy.vm.inside import fabric
from tests.heavy.vm.inside.fabric import EXTRA_A, EXTRA_B
from tests.heavy.vm.inside.node import Node


@pytest.fixture(scope="session", autouse=True)
def hcas() -> None:
    fabric.build()


@pytest_asyncio.fixture(loop_scope="module")
async def node(running: Node) -> AsyncIterator[Node]:
    """The node of a test module, with netdevs for two more HCAs.

    At the end of each test, the pool rdma/extra has no HCA again.
    """
    with fabric.netdevs(EXTRA_A, EXTRA_B):
        yield running
    await running.lists("rdma/extra", unhealthy=2)
