"""The daemon's status service. A call of it changes nothing."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from rdma_dp import __version__
from rdma_dp.kubelet.api import podresources_pb2, podresources_pb2_grpc, status_pb2_grpc
from rdma_dp.kubelet.api import status_pb2 as pb
from rdma_dp.kubelet.clients.survey import survey_kubelet
from rdma_dp.kubelet.directories import KubeletDirectories
from rdma_dp.kubelet.statuses import SocketState
from rdma_dp.kubelet.views import Holder, KubeletView
from simulator.kubelet import Faults, Registered, SimulatedKubelet
from tests.integration.daemon.process import DEADLINE, NAME, Node, healthy, listening, process

CALLS = 1_000


async def asked(node: Node, *roots: str) -> KubeletView:
    return await survey_kubelet(
        node.kubelet_root, KubeletDirectories.below(node.kubelet_root), roots
    )


@asynccontextmanager
async def channel(socket: Path) -> AsyncIterator[Any]:
    import grpc

    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(f"unix:{socket}", options=options) as opened:
        yield opened


def registrations(kubelet: SimulatedKubelet) -> int:
    return sum(isinstance(event, Registered) for event in kubelet.events)


@pytest.mark.parametrize("way", ["device-plugins", "plugins-registry"])
async def test_it_tells_how_it_stands(node: Node, kubelet: SimulatedKubelet, way: str) -> None:
    async with node.daemon("--registration", way) as daemon:
        await kubelet.wait_for(NAME, healthy(4))
        view = await asked(node)
        assert view.kubelet is SocketState.ANSWERS
        (status,) = view.statuses
        assert (status.version, status.pid) == (__version__, daemon.process.pid)
        assert (status.resource, status.way, status.trouble) == (NAME, way, None)
        assert (status.streams, status.listed, status.healthy) == (1, 4, 4)
        assert status.connected_at is not None
        assert status.connected_at >= status.started_at


async def test_a_thousand_calls_change_nothing(node: Node, kubelet: SimulatedKubelet) -> None:
    """Over new connections, as the doctor makes them."""
    async with node.daemon("--registration", "plugins-registry") as daemon:
        await kubelet.wait_for(NAME, healthy(4))
        before, (socket,) = list(kubelet.events), node.sockets()
        descriptors = len(list(Path(f"/proc/{daemon.process.pid}/fd").iterdir()))
        for _ in range(CALLS // 10):
            async with channel(socket) as opened:
                stub = status_pb2_grpc.StatusStub(opened)
                for _ in range(10):
                    said = await stub.Get(pb.StatusRequest(), timeout=DEADLINE)
                    assert said.streams == 1
        assert kubelet.events == before
        node.host.unplug("mlx5_0")
        node.host.unplug("mlx5_1")
        await kubelet.wait_for(NAME, healthy(0, of=4))
        assert (await asked(node)).statuses[0].healthy == 0
        now = len(list(Path(f"/proc/{daemon.process.pid}/fd").iterdir()))
        assert now <= descriptors + 2, "connections that are gone stay open"
        assert registrations(kubelet) == 1


async def test_what_keeps_it_from_kubelet_is_told(node: Node, no_kubelet: SimulatedKubelet) -> None:
    no_kubelet.faults = Faults(refuse_register="the node is full of plugins")
    await no_kubelet.start()
    async with node.daemon("--registration", "device-plugins") as daemon:
        await daemon.says("kubelet refused the registration")
        async with asyncio.timeout(DEADLINE):
            # Its socket is made again for each attempt, and is missing for a moment.
            while not (statuses := (await asked(node)).statuses):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        assert statuses[0].streams == 0
        assert "the node is full of plugins" in (statuses[0].trouble or "")


async def test_a_kubelet_that_is_gone_leaves_a_stale_socket(
    node: Node, no_kubelet: SimulatedKubelet
) -> None:
    assert (await asked(node)).kubelet is None
    await no_kubelet.start()
    assert (await asked(node)).kubelet is SocketState.ANSWERS
    await no_kubelet.stop()
    view = await asked(node)
    assert view.kubelet is SocketState.STALE
    assert (
        view.why_no_pod_resources == f"there is no {node.kubelet_root}/pod-resources/kubelet.sock"
    )


async def test_without_directories_it_says_why(node: Node) -> None:
    view = await asked(node)
    assert view.unreadable == {
        str(node.device_plugins): "No such file or directory",
        str(node.plugins_registry): "No such file or directory",
    }


async def test_the_book_says_who_holds_what(node: Node) -> None:
    async with SimulatedKubelet(node.kubelet_root, pod_resources=True) as kubelet, node.daemon():
        await kubelet.wait_for(NAME, healthy(4))
        allocation = await kubelet.allocate(NAME, 2)
        kubelet.name(allocation, "default", "train-0", "main")
        book = (await asked(node)).pod_resources
        assert book is not None
        assert book.allocatable == {NAME: 4}
        assert book.holders == (Holder("default", "train-0", "main", NAME, ("0", "1")),)
        async with channel(node.kubelet_root / "pod-resources/kubelet.sock") as opened:
            lister = podresources_pb2_grpc.PodResourcesListerStub(opened)
            request = podresources_pb2.GetPodResourcesRequest
            one = await lister.Get(request(pod_namespace="default", pod_name="train-0"))
            assert one.pod_resources.containers[0].devices[0].device_ids == ["0", "1"]


async def test_a_second_plugin_of_the_resource_is_seen(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    async with node.daemon(), process("run", *node.arguments) as second:
        await kubelet.wait_until(lambda kubelet: registrations(kubelet) >= 2)
        told = [status.resource for status in (await asked(node)).statuses]
        assert told == [NAME, NAME]
        await second.stop()


async def test_a_plugin_that_hangs_is_left_and_told(node: Node, kubelet: SimulatedKubelet) -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)
        writer.close()

    mute = await asyncio.start_unix_server(hang, node.device_plugins / "rdma-dp-a-0-0.sock")
    async with mute, asyncio.timeout(DEADLINE):
        (seen,) = (await asked(node)).sockets
        assert (seen.state, seen.ours, seen.status) == (SocketState.SILENT, True, None)


async def test_a_socket_that_speaks_no_grpc_is_no_error(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    async with listening(node.device_plugins / "rdma-dp-a-0-0.sock"):
        (seen,) = (await asked(node)).sockets
        assert (seen.ours, seen.status) == (True, None)


async def test_another_root_with_a_kubelet_is_found(node: Node, kubelet: SimulatedKubelet) -> None:
    elsewhere = KubeletDirectories.below(node.directory / "nowhere")
    roots = (str(node.kubelet_root), str(node.directory / "neither"))
    view = await survey_kubelet(node.directory / "nowhere", elsewhere, roots)
    assert str(node.kubelet_root) in view.elsewhere
    assert str(node.directory / "neither") not in view.elsewhere


async def test_doctor_asks_on_the_live_machine(node: Node, kubelet: SimulatedKubelet) -> None:
    async with node.daemon() as daemon:
        await kubelet.wait_for(NAME, healthy(4))
        words = ["doctor", "-o", "json", "--only", "kubelet-socket,kubelet-registered"]
        where = ["--kubelet-root-dir", str(node.kubelet_root), "--config", str(node.config)]
        async with process(*words, *where) as doctor:
            assert await doctor.ended() == 0
            await doctor.says("(the log ends)")
            found = json.loads("\n".join(doctor.log[:-1]))
        assert [check["verdict"] for check in found["checks"]] == ["ok", "ok"]
        assert f"{NAME} by plugins-registry" in found["checks"][1]["findings"][0]["evidence"]
        assert daemon.count("registered with kubelet") == 1
