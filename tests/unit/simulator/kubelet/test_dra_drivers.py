"""The simulated kubelet with DRA drivers that do wrong."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from rdma_dp.kubelet.api import dra_pb2 as pb
from rdma_dp.kubelet.api import dra_pb2_grpc as rpc
from rdma_dp.kubelet.api import pluginregistration_pb2 as info_pb
from rdma_dp.kubelet.api import pluginregistration_pb2_grpc as info_rpc
from simulator.kubelet import Claim, PrepareError, SimulatedKubelet

DRIVER = "hca.example.org"
CLAIM = Claim("default", "claim", "uid-1")

Answer = Callable[[pb.NodePrepareResourcesRequest], Any]


class FakeDriver(rpc.DRAPluginServicer, info_rpc.RegistrationServicer):
    """Registers with `versions`, and prepares by `answer`. `notified` is what kubelet said."""

    def __init__(self, answer: Answer, versions: list[str]) -> None:
        self._answer = answer
        self._versions = versions
        self.notified: asyncio.Queue[str] = asyncio.Queue()

    async def GetInfo(self, _request: object, _context: Any) -> info_pb.PluginInfo:  # noqa: N802
        return info_pb.PluginInfo(type="DRAPlugin", name=DRIVER, supported_versions=self._versions)

    async def NotifyRegistrationStatus(  # noqa: N802
        self, request: info_pb.RegistrationStatus, _context: Any
    ) -> info_pb.RegistrationStatusResponse:
        self.notified.put_nowait(request.error or "registered")
        return info_pb.RegistrationStatusResponse()

    async def NodePrepareResources(  # noqa: N802
        self, request: pb.NodePrepareResourcesRequest, _context: Any
    ) -> Any:
        answer = self._answer(request)
        if answer is None:
            await asyncio.Event().wait()
        return pb.NodePrepareResourcesResponse(claims=answer)

    async def NodeUnprepareResources(  # noqa: N802
        self, request: pb.NodeUnprepareResourcesRequest, _context: Any
    ) -> pb.NodeUnprepareResourcesResponse:
        entries = {each.uid: pb.NodeUnprepareResourceResponse() for each in request.claims}
        return pb.NodeUnprepareResourcesResponse(claims=entries)


@asynccontextmanager
async def driven(
    kubelet: SimulatedKubelet, answer: Answer, *versions: str
) -> AsyncIterator[FakeDriver]:
    """A driver that kubelet has dialled."""
    driver = FakeDriver(answer, [*versions] or ["v1.DRAPlugin"])
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    rpc.add_DRAPluginServicer_to_server(driver, server)
    info_rpc.add_RegistrationServicer_to_server(driver, server)
    server.add_insecure_port(f"unix:{kubelet.plugins_registry_dir / 'a-reg.sock'}")
    await server.start()
    try:
        yield driver
    finally:
        await server.stop(None)


@pytest.fixture
async def kubelet(directory: Path) -> AsyncIterator[SimulatedKubelet]:
    async with SimulatedKubelet(directory / "kubelet", dra_timeout=0.2) as running:
        yield running


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda _: {}, "skipped 1 ResourceClaims"),
        (
            lambda r: {
                r.claims[0].uid: pb.NodePrepareResourceResponse(),
                "other": pb.NodePrepareResourceResponse(),
            },
            "not asked for",
        ),
        (
            lambda r: {r.claims[0].uid: pb.NodePrepareResourceResponse(error="it is broken")},
            "it is broken",
        ),
        (lambda _: None, "DEADLINE_EXCEEDED"),
    ],
)
async def test_a_wrong_answer_fails_the_pod(
    kubelet: SimulatedKubelet, answer: Answer, told: str
) -> None:
    async with driven(kubelet, answer) as driver:
        assert await driver.notified.get() == "registered"
        with pytest.raises(PrepareError, match=told):
            await kubelet.pods.start_pod("pod", DRIVER, [CLAIM])


async def test_a_claim_of_two_pods_is_prepared_once_and_unprepared_last(
    kubelet: SimulatedKubelet,
) -> None:
    asked = []

    def answer(request: pb.NodePrepareResourcesRequest) -> Any:
        asked.append(request)
        device = pb.Device(request_names=["a"], device_name="d", cdi_device_ids=["x/y=z"])
        return {CLAIM.uid: pb.NodePrepareResourceResponse(devices=[device])}

    async with driven(kubelet, answer) as driver:
        assert await driver.notified.get() == "registered"
        for pod in ("one", "two"):
            await kubelet.pods.start_pod(pod, DRIVER, [CLAIM])
        assert len(asked) == 1
        assert kubelet.pods.cdi_ids("two", "a") == ["x/y=z"]
        assert kubelet.pods.cdi_ids("two", "b") == []
        await kubelet.pods.end_pod("one")
        assert kubelet.pods.uids == {CLAIM.uid}
        await kubelet.pods.end_pod("two")
        assert kubelet.pods.uids == set()


async def test_a_driver_without_a_known_service_is_refused(kubelet: SimulatedKubelet) -> None:
    async with driven(kubelet, lambda _: {}, "v9.DRAPlugin") as driver:
        assert "is supported" in await driver.notified.get()
        with pytest.raises(PrepareError, match="not registered"):
            await kubelet.pods.start_pod("pod", DRIVER, [CLAIM])
