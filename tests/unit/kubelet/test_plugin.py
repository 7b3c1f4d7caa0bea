"""The DevicePlugin service of one resource, asked over its socket by grpc.aio clients."""

import asyncio
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import grpc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rdma_dp.aio.latest import Latest
from rdma_dp.kubelet.api import deviceplugin_pb2 as pb
from rdma_dp.kubelet.device_plugin.handover_state import Handover, HandoverState
from rdma_dp.kubelet.device_plugin.servicer import Plugin
from rdma_dp.sharing.pool import Pool
from tests.unit.kubelet.nodes import (
    DEADLINE,
    dialled,
    health,
    healthy,
    pool,
    read_until,
    served,
    until,
)

EMPTY = pb.Empty()
IDS = st.lists(st.text(max_size=12), max_size=12)


class Asked:
    """A served plugin, the pool that it observes, and a client."""

    def __init__(self, latest: Latest[Pool], plugin: Plugin, socket: Path, stub: Any) -> None:
        self.latest = latest
        self.plugin = plugin
        self.socket = socket
        self.stub = stub

    async def allocate(self, *containers: list[str]) -> pb.AllocateResponse:
        requests = [pb.ContainerAllocateRequest(devices_ids=ids) for ids in containers]
        request = pb.AllocateRequest(container_requests=requests)
        answer = await self.stub.Allocate(request)
        assert isinstance(answer, pb.AllocateResponse)
        return answer

    async def refusal(self, *containers: list[str]) -> tuple[grpc.StatusCode, str]:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await self.allocate(*containers)
        return refused.value.code(), refused.value.details() or ""


@pytest.fixture
async def asked(directory: Path) -> AsyncIterator[Asked]:
    latest = Latest(pool(0, 1))
    plugin = Plugin(latest)
    socket = directory / "a.sock"
    async with served(plugin, socket), dialled(socket) as stub:
        yield Asked(latest, plugin, socket, stub)


# --- lists --------------------------------------------------------------------------------------


async def test_every_stream_gets_the_newest_list_then_each_change(asked: Asked) -> None:
    """Defect 11 of the Go plugin: two readers split the updates between them."""
    streams = [asked.stub.ListAndWatch(EMPTY) for _ in range(4)]
    for stream in streams:
        assert health(await stream.read()) == dict.fromkeys("0123", "Healthy")
    for numbers, count in (((), 0), ((0,), 4), ((), 0), ((1, 2), 4)):
        asked.latest.set(pool(*numbers, previous=asked.latest.value))
        for stream in streams:
            message = await stream.read()
            assert (healthy(message), len(message.devices)) == (count, 4)


async def test_a_later_stream_begins_with_the_newest_list(asked: Asked) -> None:
    first = asked.stub.ListAndWatch(EMPTY)
    await first.read()
    asked.latest.set(pool(previous=asked.latest.value))
    assert healthy(await asked.stub.ListAndWatch(EMPTY).read()) == 0
    assert healthy(await first.read()) == 0


async def test_the_older_streams_end_and_the_newest_goes_on(asked: Asked) -> None:
    older = [asked.stub.ListAndWatch(EMPTY) for _ in range(2)]
    for stream in older:
        await stream.read()
    newest = asked.stub.ListAndWatch(EMPTY)
    await newest.read()
    async with asyncio.timeout(DEADLINE):
        await asked.plugin.end_older_streams()
        for stream in older:
            assert await stream.read() is grpc.aio.EOF
            assert await stream.code() is grpc.StatusCode.OK
    now = asked.plugin.streams.value
    assert (now.opened, now.open, now.closed) == (3, 1, 0), "kubelet has closed none"
    asked.latest.set(pool(previous=asked.latest.value))
    assert healthy(await newest.read()) == 0
    newest.cancel()
    await until(asked.plugin.streams, lambda now: now.closed == 1)


async def test_once_withheld_no_slot_is_healthy_on_any_stream(asked: Asked) -> None:
    first = asked.stub.ListAndWatch(EMPTY)
    assert healthy(await first.read()) == 4
    asked.plugin.handover.set(Handover(HandoverState.WITHHOLDING))
    for stream in (first, asked.stub.ListAndWatch(EMPTY)):
        assert health(await stream.read()) == dict.fromkeys("0123", "Unhealthy")
    for numbers in ((), (0,)):
        asked.latest.set(pool(*numbers, previous=asked.latest.value))
        assert healthy(await first.read()) == 0


async def test_one_that_hands_its_resource_over_refuses_to_be_registered(
    asked: Asked,
) -> None:
    asked.plugin.handover.set(Handover(HandoverState.HANDING_OVER, "other.sock"))
    with pytest.raises(grpc.aio.AioRpcError, match=r"ends and hands rdma/a over to other\.sock"):
        await asked.stub.GetDevicePluginOptions(EMPTY)
    assert asked.plugin.handover.value.state is HandoverState.HANDED_OVER


async def test_a_change_while_nobody_listens_holds_nobody_up(asked: Asked) -> None:
    for number in range(100):
        asked.latest.set(pool(*[0] * (number % 2), previous=asked.latest.value))
    assert healthy(await asked.stub.ListAndWatch(EMPTY).read()) == 4


async def test_a_change_that_leaves_the_list_as_it_is_sends_nothing(asked: Asked) -> None:
    """Another HCA in the pool: the same slots."""
    stream = asked.stub.ListAndWatch(EMPTY)
    await stream.read()
    asked.latest.set(pool(0, 1, 2, previous=asked.latest.value))
    await asked.allocate(["0"])  # the streams had their turn
    asked.latest.set(pool(previous=asked.latest.value))
    assert healthy(await stream.read()) == 0


async def test_a_reader_that_is_slow_ends_with_the_newest_list(directory: Path) -> None:
    slots = 20_000  # several windows of HTTP/2 a list: the plugin cannot run ahead of the reader
    latest = Latest(pool(0, slots=slots))
    async with served(Plugin(latest), directory / "a.sock"), dialled(directory / "a.sock") as stub:
        stream = stub.ListAndWatch(EMPTY)
        await stream.read()
        other = stub.ListAndWatch(EMPTY)
        for number in range(1, 8):
            latest.set(pool(*[0] * (number % 2), slots=slots, previous=latest.value))
            await read_until(other, _with(slots * (number % 2)))
        latest.set(pool(0, slots=slots + 1, previous=latest.value))
        messages = await read_until(stream, lambda message: len(message.devices) == slots + 1)
        assert healthy(messages[-1]) == slots + 1
        assert len(messages) <= 8


async def test_no_change_is_lost_in_a_storm(asked: Asked) -> None:
    """Each stream ends with the newest list, and none gets the same list twice in a row."""
    streams = [asked.stub.ListAndWatch(EMPTY) for _ in range(3)]
    reading = asyncio.gather(
        *(read_until(stream, lambda message: len(message.devices) == 99) for stream in streams)
    )
    for number in range(300):
        asked.latest.set(pool(*[0] * (number % 2), previous=asked.latest.value))
        if number % 7 == 0:
            await asyncio.sleep(0)
    asked.latest.set(pool(0, slots=99, previous=asked.latest.value))
    for messages in await reading:
        assert healthy(messages[-1]) == 99
        lists = [health(message) for message in messages]
        assert all(one != next_ for one, next_ in pairwise(lists))


async def test_the_number_of_open_streams_is_known(asked: Asked) -> None:
    streams = [asked.stub.ListAndWatch(EMPTY) for _ in range(3)]
    for stream in streams:
        await stream.read()
    assert asked.plugin.streams.value.open == 3
    for left, stream in enumerate(reversed(streams)):
        stream.cancel()
        await until(asked.plugin.streams, lambda now: now.open == 2 - left)  # noqa: B023


async def test_a_stream_that_outlives_its_server_is_not_counted_for_the_next(
    directory: Path,
) -> None:
    plugin = Plugin(Latest(pool(0)))
    old = plugin.streams
    async with served(plugin, directory / "a.sock"), dialled(directory / "a.sock") as stub:
        stream = stub.ListAndWatch(EMPTY)
        await stream.read()
    plugin.forget_streams()
    async with served(plugin, directory / "a.sock"), dialled(directory / "a.sock") as stub:
        stream = stub.ListAndWatch(EMPTY)
        await stream.read()
        await until(old, lambda streams: not streams.open)
        assert plugin.streams.value.open == 1


# --- Allocate -----------------------------------------------------------------------------------


async def test_a_container_gets_all_nodes_of_the_pool_and_rdma_cm_once(asked: Asked) -> None:
    """Defect 14 of the Go plugin: rdma_cm once per HCA."""
    (container,) = (await asked.allocate(["2"])).container_responses
    assert [device.container_path for device in container.devices] == [
        f"/dev/infiniband/{name}" for name in ("rdma_cm", "umad0", "umad1", "uverbs0", "uverbs1")
    ]
    assert all(device.host_path == device.container_path for device in container.devices)
    assert {device.permissions for device in container.devices} == {"rwm"}
    assert container.envs == {"RDMA_DP_A_HCAS": "mlx5_0,mlx5_1"}


async def test_several_containers_in_one_call_get_an_answer_each(asked: Asked) -> None:
    responses = (await asked.allocate(["0"], ["1", "2"], ["3"])).container_responses
    assert len(responses) == 3
    assert responses[0] == responses[1] == responses[2]


async def test_a_call_for_no_container_gets_no_answer(asked: Asked) -> None:
    assert not (await asked.allocate()).container_responses


@pytest.mark.parametrize("unknown", ["4", "-1", "01", "+1", " 1", "1 ", "x", "", "٣", "9" * 40])
async def test_an_unknown_slot_is_refused_in_words(asked: Asked, unknown: str) -> None:
    """Defect 14 of the Go plugin: unknown ids are accepted."""
    code, text = await asked.refusal(["0", unknown])
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert f"rdma/a has no slot {unknown!r} on this node" in text


async def test_one_unknown_slot_refuses_the_whole_call(asked: Asked) -> None:
    code, _ = await asked.refusal(["0"], ["4"])
    assert code is grpc.StatusCode.INVALID_ARGUMENT


async def test_an_empty_pool_is_refused_with_the_reason(asked: Asked) -> None:
    """Defect 14 of the Go plugin: an answer without devices."""
    asked.latest.set(pool(previous=asked.latest.value))
    code, text = await asked.refusal(["0"])
    assert code is grpc.StatusCode.FAILED_PRECONDITION
    assert "rdma/a has no usable HCA on this node: the node has no RDMA device" in text


async def test_the_answer_follows_the_newest_pool(asked: Asked) -> None:
    asked.latest.set(pool(7, previous=asked.latest.value))
    (container,) = (await asked.allocate(["0"])).container_responses
    assert container.envs == {"RDMA_DP_A_HCAS": "mlx5_7"}


async def test_a_slot_of_a_bigger_past_is_still_known(asked: Asked) -> None:
    asked.latest.set(pool(0, slots=2, previous=asked.latest.value))
    assert (await asked.allocate(["3"])).container_responses


async def test_many_calls_at_once_get_the_same_answer(asked: Asked) -> None:
    answers = await asyncio.gather(*(asked.allocate([str(n % 4)]) for n in range(200)))
    assert all(answer == answers[0] for answer in answers)


# --- the other calls, with any input ------------------------------------------------------------


async def test_the_options_want_neither_hook(asked: Asked) -> None:
    options = await asked.stub.GetDevicePluginOptions(EMPTY)
    assert options == pb.DevicePluginOptions()


@given(IDS, IDS, st.integers(-(2**31), 2**31 - 1), st.integers(0, 3))
@settings(max_examples=50)
def test_any_question_gets_an_answer(
    one: list[str], other: list[str], size: int, containers: int
) -> None:
    """Defect 2 of the Go plugin: GetPreferredAllocation crashes the daemon."""
    preferred = pb.ContainerPreferredAllocationRequest(
        available_deviceIDs=one, must_include_deviceIDs=other, allocation_size=size
    )
    plugin = Plugin(Latest(pool(0)))
    asked_for = pb.PreferredAllocationRequest(container_requests=[preferred] * containers)
    answer = asyncio.run(plugin.GetPreferredAllocation(asked_for, _no_context()))
    assert len(answer.container_responses) == containers
    before_start = pb.PreStartContainerRequest(devices_ids=one)
    assert asyncio.run(plugin.PreStartContainer(before_start, _no_context())) == (
        pb.PreStartContainerResponse()
    )


async def test_after_a_question_for_a_preference_the_plugin_goes_on(asked: Asked) -> None:
    """Defect 2 of the Go plugin, over the socket."""
    await asked.stub.GetPreferredAllocation(pb.PreferredAllocationRequest())
    await asked.stub.PreStartContainer(pb.PreStartContainerRequest(devices_ids=["0", "nonsense"]))
    assert (await asked.allocate(["0"])).container_responses


def _no_context() -> Any:
    """These calls do not look at theirs."""
    return None


def _with(count: int) -> Callable[[pb.ListAndWatchResponse], bool]:
    return lambda message: healthy(message) == count
