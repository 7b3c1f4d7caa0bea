"""Requests that kubelet never sends (A7, A8): a short, clear answer, and a short log."""

import logging
from pathlib import Path
from typing import Any

import grpc
import pytest

from rdma_dp.aio.latest import Latest
from rdma_dp.kubelet.api import deviceplugin_pb2 as pb
from rdma_dp.kubelet.device_plugin.servicer import Plugin
from tests.unit.kubelet.nodes import dialled, pool, served

MOST = 4 * 1024 * 1024  # bytes: gRPC's default limit of a request


async def refused(directory: Path, method: str, request: Any) -> grpc.aio.AioRpcError:
    plugin = Plugin(Latest(pool(0)))
    async with served(plugin, directory / "a.sock"), dialled(directory / "a.sock") as stub:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await getattr(stub, method)(request)
        answer = await stub.Allocate(_allocate(["0"]))
        assert len(answer.container_responses) == 1
    return error.value


def _allocate(*containers: list[str]) -> pb.AllocateRequest:
    requests = [pb.ContainerAllocateRequest(devices_ids=ids) for ids in containers]
    return pb.AllocateRequest(container_requests=requests)


def _prefer(*containers: list[str]) -> pb.PreferredAllocationRequest:
    requests = [
        pb.ContainerPreferredAllocationRequest(available_deviceIDs=ids, allocation_size=1)
        for ids in containers
    ]
    return pb.PreferredAllocationRequest(container_requests=requests)


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("Allocate", _allocate(*[["0"]] * 50_000)),
        ("Allocate", _allocate(*[[]] * 65)),
        ("GetPreferredAllocation", _prefer(*[["0"]] * 50_000)),
    ],
)
async def test_too_many_containers_are_refused(directory: Path, method: str, request_: Any) -> None:
    """A7: kubelet asks for one container at a time."""
    error = await refused(directory, method, request_)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "containers in one request: at most 64 are taken" in str(error.details())


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("Allocate", _allocate(["0"] * 100_000)),
        ("Allocate", _allocate(*[[str(n) for n in range(100)]] * 60)),
        ("GetPreferredAllocation", _prefer([str(n) for n in range(100_000)])),
    ],
)
async def test_more_slots_than_there_are_are_refused(
    directory: Path, method: str, request_: Any
) -> None:
    """A7: kubelet asks for slots of our list."""
    error = await refused(directory, method, request_)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "slots in one request: at most 1000 are taken" in str(error.details())


async def test_a_request_for_every_slot_of_a_long_list_is_answered(directory: Path) -> None:
    """A7: what kubelet can send is answered."""
    plugin = Plugin(Latest(pool(0, slots=5000)))
    ids = [str(number) for number in range(5000)]
    async with served(plugin, directory / "a.sock"), dialled(directory / "a.sock") as stub:
        answer = await stub.Allocate(_allocate(ids))
        assert answer.container_responses[0].envs
        preferred = await stub.GetPreferredAllocation(_prefer(ids))
        assert preferred.container_responses[0].deviceIDs == ["0"]


@pytest.mark.parametrize("count", [1, 3, 900])
async def test_long_unknown_ids_are_cut(directory: Path, count: int) -> None:
    """A8: an id of 4 MiB made RESOURCE_EXHAUSTED of INVALID_ARGUMENT."""
    ids = [f"{n}" + "x" * (MOST // count - 100) for n in range(count)]
    error = await refused(directory, "Allocate", _allocate(ids))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "has no slot '0xxx" in str(error.details())
    assert len(str(error.details())) < 1000


async def test_messages_that_cannot_be_parsed_are_one_line(
    directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A8: gRPC logged seven lines for each."""
    path = directory / "a.sock"
    async with (
        served(Plugin(Latest(pool(0, name="unparsable"))), path),
        grpc.aio.insecure_channel(f"unix:{path}") as channel,
    ):
        call: Any = channel.unary_unary("/v1beta1.DevicePlugin/PreStartContainer")
        for _ in range(5):
            with pytest.raises(grpc.aio.AioRpcError):
                await call(b"\xff\xff\xff")
    lines = [each for each in caplog.records if each.levelno >= logging.WARNING]
    (line,) = lines
    assert line.exc_info is None
    assert line.getMessage().startswith("gRPC: Unexpected [DecodeError]")
