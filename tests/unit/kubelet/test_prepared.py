"""Answers that are kept equal answers that are made anew, whatever happened before."""

import asyncio
from typing import Any

import grpc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rdma_dp.aio.latest import Latest
from rdma_dp.config import CdiMode, SlotsPer
from rdma_dp.errors import RdmaDpError
from rdma_dp.kubelet.api import deviceplugin_pb2 as pb
from rdma_dp.kubelet.device_plugin import messages
from rdma_dp.kubelet.device_plugin.prepared import PreparedAnswers
from rdma_dp.kubelet.device_plugin.servicer import Plugin
from rdma_dp.metrics import Metrics
from rdma_dp.sharing.allocation import UnknownSlotError, allocate
from rdma_dp.sharing.pool import Pool
from tests.unit.kubelet.nodes import pool

NUMBERS = range(4)
IDS = st.sampled_from(
    [
        *("0", "1", "2", "3", "7", "07", "x"),
        *(f"0000:{hca:02x}:00.0-{slot}" for hca in NUMBERS for slot in (0, 1, 5)),
    ]
)
CONTAINERS = st.lists(st.lists(IDS, max_size=3), max_size=3)


class RefusedError(Exception):
    """What a client would get instead of an answer."""


class Context:
    """The part of a call's context that Allocate uses."""

    code: grpc.StatusCode | None = None

    async def abort(self, code: grpc.StatusCode, details: str) -> None:
        self.code = code
        raise RefusedError(details)


def request_of(containers: list[list[str]]) -> pb.AllocateRequest:
    requests = [pb.ContainerAllocateRequest(devices_ids=ids) for ids in containers]
    return pb.AllocateRequest(container_requests=requests)


def fresh(newest: Pool, containers: list[list[str]]) -> pb.AllocateResponse | str:
    try:
        grants = [allocate(newest, ids) for ids in containers]
    except RdmaDpError as error:
        return str(error).split(" (")[0]
    return messages.allocate_response(grants, newest.cdi)


def answered(plugin: Plugin, containers: list[list[str]]) -> pb.AllocateResponse | str:
    context: Any = Context()
    try:
        answer = asyncio.run(plugin.Allocate(request_of(containers), context))
    except RefusedError as error:
        return str(error).split(" (")[0]
    return pb.AllocateResponse.FromString(answer)


changes = st.tuples(
    st.sets(st.sampled_from(NUMBERS)),
    st.integers(1, 3),
    st.sampled_from(SlotsPer),
    st.sampled_from(CdiMode),
)


@given(st.lists(st.one_of(changes, CONTAINERS), max_size=20))
@settings(max_examples=60, deadline=None)
def test_kept_answers_are_those_of_the_newest_list(
    steps: list[tuple[set[int], int, SlotsPer, CdiMode] | list[list[str]]],
) -> None:
    latest = Latest(pool(0, 1))
    plugin = Plugin(latest)
    for step in steps:
        if isinstance(step, tuple):
            numbers, slots, slots_per, cdi = step
            before = latest.value if latest.value.resource.slots_per is slots_per else None
            made = pool(*numbers, slots=slots, previous=before, cdi=cdi, slots_per=slots_per)
            latest.set(made)
            continue
        for _ in range(2):  # made, then kept
            assert answered(plugin, step) == fresh(latest.value, step)


def test_an_answer_that_a_thread_makes_for_an_old_list_is_not_kept_for_the_new_one() -> None:
    latest = Latest(pool(0))
    plugin = Plugin(latest)
    many = [str(number % 4) for number in range(1000)]  # so many are answered in a thread

    async def asked_while_the_list_changes() -> list[pb.AllocateResponse]:
        context: Any = Context()
        old = asyncio.ensure_future(plugin.Allocate(request_of([many]), context))
        await asyncio.sleep(0)
        latest.set(pool(7, previous=latest.value))
        new = await plugin.Allocate(request_of([["0"]]), context)
        await old
        again = await plugin.Allocate(request_of([["0"]]), context)
        return [pb.AllocateResponse.FromString(answer) for answer in (new, again)]

    for answer in asyncio.run(asked_while_the_list_changes()):
        assert dict(answer.container_responses[0].envs) == {"RDMA_DP_A_HCAS": "mlx5_7"}


def test_an_answer_is_made_once_for_all_slots_of_an_hca(monkeypatch: pytest.MonkeyPatch) -> None:
    made, make = [], messages.allocate_response

    def counted(*arguments: Any) -> pb.AllocateResponse:
        made.append(arguments)
        return make(*arguments)

    monkeypatch.setattr(messages, "allocate_response", counted)
    answers = PreparedAnswers(pool(0, 1, slots_per=SlotsPer.HCA))
    for slot in range(4):
        ids = [f"0000:00:00.0-{slot}", f"0000:01:00.0-{slot}"]
        answers.allocations(request_of([ids, ids[::-1], ids[:1]]))
    assert len(made) == 2


@given(st.lists(st.sets(st.sampled_from(NUMBERS), min_size=1), max_size=30), st.integers(0, 900))
@settings(max_examples=50, deadline=None)
def test_few_kept_bytes_give_the_same_answers(asked: list[set[int]], most: int) -> None:
    newest = pool(*NUMBERS, slots_per=SlotsPer.HCA)
    answers = PreparedAnswers(newest, most)
    for numbers in asked:
        ids = [f"0000:{number:02x}:00.0-0" for number in numbers]
        content = answers.allocations(request_of([ids]))
        assert pb.AllocateResponse.FromString(content) == fresh(newest, [ids])
        request = request_of([ids]).SerializeToString()
        answers.keep(request, content, len(ids))
        assert answers.known(request) == (content, len(ids))
    for numbers in asked:
        ids = [f"0000:{number:02x}:00.0-0" for number in numbers]
        if known := answers.known(request_of([ids]).SerializeToString()):
            assert pb.AllocateResponse.FromString(known.content) == fresh(newest, [ids])
            assert known.slots == len(ids)


def test_requests_that_take_much_memory_are_forgotten() -> None:
    answers = PreparedAnswers(pool(0))
    requests = [bytes([number]) * 60_000 for number in range(100)]
    for request in requests:
        answers.keep(request, b"", 1)
    kept = [each for each in requests if answers.known(each)]
    assert requests[-1] in kept
    assert sum(map(len, kept)) < 2 << 20
    answers.keep(b"x" * 100_000, b"", 1)
    assert not answers.known(b"x" * 100_000)
    assert all(answers.known(each) for each in kept)


def test_a_refused_request_is_not_known_and_is_refused_again() -> None:
    newest = pool(0, slots_per=SlotsPer.HCA)
    answers = PreparedAnswers(newest)
    with pytest.raises(UnknownSlotError):
        answers.allocations(request_of([["0000:07:00.0-0"]]))
    assert answers.known(request_of([["0000:07:00.0-0"]]).SerializeToString()) is None
    plugin = Plugin(Latest(newest))
    first, second = (answered(plugin, [["0000:07:00.0-0"]]) for _ in range(2))
    assert isinstance(first, str)
    assert first == second


def test_a_request_that_cannot_be_parsed_is_refused_and_counted() -> None:
    metrics, context = Metrics(), Context()
    plugin = Plugin(Latest(pool(0)), metrics)
    with pytest.raises(RefusedError, match="no AllocateRequest"):
        asyncio.run(plugin.allocate(b"\xff", context))  # type: ignore[arg-type]
    assert context.code is grpc.StatusCode.INVALID_ARGUMENT
    assert dict(metrics.allocations_of(plugin.resource).value.results) == {"error": 1}


def test_each_answer_counts_its_slots_whether_it_was_kept_or_not() -> None:
    metrics = Metrics()
    plugin = Plugin(Latest(pool(0, 1, slots=3)), metrics)
    for _ in range(3):
        answered(plugin, [["0", "1"]])
    answered(plugin, [["0"], ["1"]])
    answered(plugin, [["0", "x"]])
    calls = metrics.allocations_of(plugin.resource).value
    assert dict(calls.results) == {"ok": 4, "unknown-slot": 1}
    assert calls.slots == 8
    assert sum(calls.seconds.counts) == 5


@given(st.lists(IDS, max_size=8), st.lists(IDS, max_size=3), st.integers(0, 6))
@settings(max_examples=60, deadline=None)
def test_a_kept_index_gives_the_same_preferences(
    offered: list[str], must: list[str], size: int
) -> None:
    container = pb.ContainerPreferredAllocationRequest(
        available_deviceIDs=offered, must_include_deviceIDs=must, allocation_size=size
    )
    request = pb.PreferredAllocationRequest(container_requests=[container])
    for slots_per in SlotsPer:
        newest = pool(*NUMBERS, slots_per=slots_per)
        answers = PreparedAnswers(newest)
        for _ in range(2):
            assert answers.preferences(request) == messages.preferences(newest, request)
        assert answers.indexed
