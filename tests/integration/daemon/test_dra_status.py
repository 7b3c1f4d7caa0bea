"""What the driver of a running daemon reports to the doctor, and that without DRA nothing runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from rdma_dp.kubelet.clients.survey import survey_kubelet
from rdma_dp.kubelet.directories import KubeletDirectories
from rdma_dp.kubelet.statuses import DriverStatus
from simulator.api_server import FakeApiServer
from simulator.kubelet import SimulatedKubelet
from tests.integration.daemon.claiming import DRIVER, NODE, registered
from tests.integration.daemon.process import NAME, Node, entry, healthy


async def status(kubelet: SimulatedKubelet) -> DriverStatus:
    """The one driver of an rdma-dp, as the doctor sees it."""
    directories = KubeletDirectories.below(kubelet.root)
    (found,) = (await survey_kubelet(kubelet.root, directories, ())).drivers
    return found


async def reports(kubelet: SimulatedKubelet, **wanted: object) -> DriverStatus:
    """Until the driver reports these values. The daemon sends no event of them."""
    async with asyncio.timeout(60):
        while True:
            found = await status(kubelet)
            if all(getattr(found, name) == value for name, value in wanted.items()):
                return found
            await asyncio.sleep(0.05)


async def test_a_driver_that_is_well(
    node: Node, kubelet: SimulatedKubelet, api: FakeApiServer
) -> None:
    node.configure(entry(via="dra", slotsPer="hca"))
    async with node.daemon():
        await registered(kubelet)
        found = await reports(kubelet, listed=True, current=True, registered=True)
        assert (found.driver, found.node, found.slices, found.devices) == (DRIVER, NODE, 1, 2)
        assert (found.failure, found.lacking_gates, found.claims) == (None, (), ())
        assert found.directory == str(kubelet.root / "plugins" / DRIVER)


async def test_a_gate_that_the_server_lacks_is_reported(
    node: Node, kubelet: SimulatedKubelet, api: FakeApiServer
) -> None:
    api.gates = frozenset()
    node.configure(entry(via="dra", slotsPer="hca"))
    async with node.daemon():
        await registered(kubelet)
        gates = ("DRAConsumableCapacity", "DRADeviceTaints")
        await reports(kubelet, lacking_gates=gates, devices=0, current=True)


async def test_why_the_slices_cannot_be_read_is_reported(
    node: Node, kubelet: SimulatedKubelet, api: FakeApiServer
) -> None:
    api.forbidden = {("list", "resourceslices")}
    node.configure(entry(via="dra"))
    async with node.daemon() as daemon:
        await registered(kubelet)
        await daemon.says("cannot watch the ResourceSlices")
        found = await reports(kubelet, listed=False)
        assert "resourceslices" in (found.failure or "")


@asynccontextmanager
async def port_that_counts() -> AsyncIterator[tuple[str, list[object]]]:
    """The URL of a server that answers nothing, and its connections."""
    connections: list[object] = []

    def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", connections


async def test_without_dra_no_token_is_needed_and_no_connection_is_opened(
    node: Node, kubelet: SimulatedKubelet, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with port_that_counts() as (url, connections):
        monkeypatch.setenv("RDMA_DP_API_SERVER", url)
        monkeypatch.setenv("RDMA_DP_SERVICE_ACCOUNT", str(directory / "no-token"))
        monkeypatch.setenv("NODE_NAME", NODE)
        node.configure(entry())
        async with node.daemon() as daemon:
            await kubelet.wait_for(NAME, healthy(4))
            node.configure(entry(slots=5))  # and a new config changes nothing of that
            await kubelet.wait_for(NAME, healthy(5))
            await daemon.stop()
            assert not [line for line in daemon.log if "token" in line or "DRA" in line]
        assert connections == []


async def test_with_dra_the_same_server_is_asked(
    node: Node, kubelet: SimulatedKubelet, api: FakeApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test above would pass with a daemon that asks another server."""
    async with port_that_counts() as (url, connections):
        monkeypatch.setenv("RDMA_DP_API_SERVER", url)
        node.configure(entry(via="dra"))
        async with node.daemon() as daemon:
            await daemon.says("cannot watch the ResourceSlices")
        assert connections
