"""A node: kubelet's stand-in and the daemon, side by side."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from rdma_dp.standin.kubelet import Allocation, ListReceived, StandinKubelet
from tests.vm.inside.daemon import DEADLINE, Daemon, Resource, running_daemon


@dataclass(frozen=True, slots=True)
class Node:
    """What a test drives and asks."""

    kubelet: StandinKubelet
    daemon: Daemon

    async def lists(self, resource: str, *, healthy: int = 0, unhealthy: int = 0) -> None:
        """Returns once kubelet has a list of exactly so many slots, of which none is a list too."""
        wanted = ["Healthy"] * healthy + ["Unhealthy"] * unhealthy

        def reached(kubelet: StandinKubelet) -> bool:
            received = any(
                isinstance(event, ListReceived) and event.resource == resource
                for event in kubelet.events
            )
            return received and sorted(kubelet.devices(resource).values()) == wanted

        await self.daemon.meanwhile(self.kubelet.wait_until(reached, timeout=DEADLINE))


@asynccontextmanager
async def running_node(*resources: Resource, registration: str = "auto") -> AsyncIterator[Node]:
    """Starts both and, when the test is through, ends both; kubelet must have had no complaint."""
    # pytest's tmp_path is too long: a socket's path has to stay below 108 bytes.
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        async with (
            StandinKubelet(root) as kubelet,
            running_daemon(root, registration, *resources) as daemon,
        ):
            yield Node(kubelet, daemon)
            assert kubelet.violations == []


def host_paths(allocation: Allocation) -> list[str]:
    """The nodes that a container got, in the order of the answer."""
    return [device.host_path for device in allocation.answer.devices]
