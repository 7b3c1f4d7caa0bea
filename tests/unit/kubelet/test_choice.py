"""A11: which mode `--registration auto` takes after a failure."""

import asyncio
from pathlib import Path

import pytest

from rdma_dp.aio.backoff import Backoff
from rdma_dp.aio.directory_watch import DirectoryWatch
from rdma_dp.aio.latest import Latest
from rdma_dp.kubelet.device_plugin.servicer import Plugin
from rdma_dp.kubelet.directories import KubeletDirectories
from rdma_dp.kubelet.registration.choice import Kubelet, RegistrationMode, keep_registered
from rdma_dp.kubelet.sockets import socket_name
from simulator.kubelet import Registered, SimulatedKubelet, Way
from tests.logs import Log
from tests.unit.kubelet.nodes import DEADLINE, pool

RESOURCE = "rdma/a"


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Backoff, "delay", lambda _: 0.05)


def _ways(kubelet: SimulatedKubelet) -> list[Way]:
    return [event.way for event in kubelet.events if isinstance(event, Registered)]


async def test_a_socket_that_cannot_be_made_does_not_settle_the_choice(
    directory: Path, lines: Log
) -> None:
    """A11: one failure settled on Register for good."""
    plugin, directories = Plugin(Latest(pool(0))), KubeletDirectories.below(directory)
    async with SimulatedKubelet(directory) as kubelet:
        in_the_way = directories.plugins_registry / socket_name(RESOURCE, "abcdef")
        in_the_way.write_text("a file")
        watches = [
            DirectoryWatch(each)
            for each in (directories.device_plugins, directories.plugins_registry)
        ]
        node = Kubelet(directories, RegistrationMode.AUTO, "abcdef", *watches)
        tasks = [asyncio.create_task(watch.run()) for watch in watches]
        tasks.append(asyncio.create_task(keep_registered(plugin, node)))
        try:
            await lines.until("calling Register instead")
            await kubelet.wait_for(RESOURCE, lambda devices: len(devices) == 4, DEADLINE)
            assert set(_ways(kubelet)) == {Way.REGISTER}
            in_the_way.unlink()
            await asyncio.sleep(0.1)  # until plugins_registry is worth another try
            await kubelet.stop()
            await kubelet.start()
            await kubelet.wait_until(lambda _: Way.WATCHER in _ways(kubelet), DEADLINE)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
