"""A node: the simulated kubelet and the daemon."""

import json
import tempfile
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.kubelet import (
    Allocation,
    Event,
    ListReceived,
    SimulatedKubelet,
    UnexpectedAdmissionError,
)
from tests.heavy.vm.inside.daemon import DEADLINE, Daemon, running_daemon

Resource = Mapping[str, Any]  # one entry of configList


@dataclass(frozen=True, slots=True)
class Node:
    """What a test controls and reads."""

    kubelet: SimulatedKubelet
    daemon: Daemon

    async def lists(self, resource: str, *, healthy: int = 0, unhealthy: int = 0) -> None:
        """Return when kubelet has a list of exactly this many slots. An empty list counts too."""
        wanted = ["Healthy"] * healthy + ["Unhealthy"] * unhealthy

        def reached(kubelet: SimulatedKubelet) -> bool:
            return (
                self.lists_received(resource) > 0
                and sorted(kubelet.devices(resource).values()) == wanted
            )

        await self.daemon.meanwhile(self.kubelet.wait_until(reached, timeout=DEADLINE))

    async def lists_unhealthy(self, resource: str, ids: Collection[str]) -> None:
        """Return when kubelet has a list in which exactly these slots are Unhealthy."""

        def reached(kubelet: SimulatedKubelet) -> bool:
            devices = kubelet.devices(resource)
            return {slot for slot in devices if devices[slot] != "Healthy"} == set(ids)

        await self.daemon.meanwhile(self.kubelet.wait_until(reached, timeout=DEADLINE))

    async def hands_out(self, resource: str, nodes: Collection[str], slot: str = "0") -> None:
        """Return when a container would get exactly these nodes for this slot.

        Checks again after each line of the daemon's log: the daemon logs each change of the nodes.
        """
        handed_out: list[str] = []

        async def reached() -> bool:
            handed_out[:] = await self._handed_out(resource, slot)
            return handed_out == sorted(nodes)

        try:
            await self.daemon.meanwhile(self.daemon.log_grows_until(reached))
        except TimeoutError:
            raise AssertionError(f"{resource} hands out {handed_out}, not {nodes}") from None

    async def _handed_out(self, resource: str, slot: str) -> list[str]:
        try:
            # Even if kubelet counts the slot as unhealthy: this is about the answer, not about the
            # list.
            allocation = await self.kubelet.allocate(resource, ids=[slot])
        except UnexpectedAdmissionError:
            return []
        self.kubelet.release(allocation)
        return host_paths(allocation)

    def events(self, resource: str) -> Iterator[Event]:
        """All events of a resource in kubelet's record: registrations, streams, lists."""
        return (
            event for event in self.kubelet.events if getattr(event, "resource", None) == resource
        )

    def lists_received(self, resource: str) -> int:
        """How many lists of a resource kubelet has received."""
        return sum(isinstance(event, ListReceived) for event in self.events(resource))


@asynccontextmanager
async def running_node(
    *resources: Resource, flags: Sequence[str] = (), wrapper: Sequence[str] = (), **settings: Any
) -> AsyncIterator[Node]:
    """Start both with a config of these resources, and stop both after the test.

    `settings` are the config's other keys. `flags` and `wrapper` are as for `running_daemon`.
    """
    with _file_with(config(*resources, **settings)) as config_file:
        async with running_node_with(config_file, flags, wrapper) as node:
            yield node


@contextmanager
def _file_with(text: str) -> Iterator[Path]:
    """In its own directory, which the daemon watches."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "config.json")
        file.write_text(text)
        yield file


@asynccontextmanager
async def running_node_with(
    config_file: Path, flags: Sequence[str] = (), wrapper: Sequence[str] = ()
) -> AsyncIterator[Node]:
    """As `running_node`, with an existing config. At the end, kubelet has recorded no violation."""
    # pytest's tmp_path is too long: the path of a socket must be shorter than 108 bytes.
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        async with (
            SimulatedKubelet(root) as kubelet,
            running_daemon(root, config_file, flags, wrapper) as daemon,
        ):
            yield Node(kubelet, daemon)
            assert kubelet.violations == []


def config(*resources: Resource, **settings: Any) -> str:
    """A config file without timer: only events of the kernel can change a list."""
    return json.dumps({"periodicUpdateInterval": 0, "configList": resources, **settings})


def host_paths(allocation: Allocation) -> list[str]:
    """The nodes that a container got, in the order of the answer."""
    return [device.host_path for device in allocation.answer.devices]


def cdi_names(allocation: Allocation) -> list[str]:
    """The CDI names that a container got, in the order of the answer."""
    return [device.name for device in allocation.answer.cdi_devices]
