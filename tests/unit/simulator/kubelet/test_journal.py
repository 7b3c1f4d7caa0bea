import asyncio

import pytest

from simulator.kubelet.events import Forgotten, Violated
from simulator.kubelet.journal import Journal


async def test_a_state_that_is_already_there_needs_no_event() -> None:
    await Journal().wait_until(lambda: True, 60, seen=str)


async def test_a_passing_state_is_not_missed() -> None:
    journal = Journal()
    state: list[str] = []
    waiting = asyncio.create_task(journal.wait_until(lambda: state == ["there"], 60, seen=str))
    await asyncio.sleep(0)
    state.append("there")
    journal.record(Forgotten("rdma/a"))
    state.clear()
    journal.record(Forgotten("rdma/a"))
    await waiting


async def test_a_timeout_tells_what_was_seen_instead() -> None:
    journal = Journal()
    journal.record(Forgotten("rdma/a"))
    with pytest.raises(TimeoutError, match=r"(?s)0\.01 s; seen: nothing;.*rdma/a: forgotten"):
        await journal.wait_until(lambda: False, 0.01, seen=lambda: "nothing")


async def test_what_the_predicate_raises_reaches_the_one_who_waits() -> None:
    state: dict[str, bool] = {}
    with pytest.raises(KeyError, match="missing"):
        await Journal().wait_until(lambda: state["missing"], 60, seen=str)


def test_violations_are_the_texts_of_their_events() -> None:
    journal = Journal()
    journal.record(Forgotten("rdma/a"))
    journal.record(Violated("too early"))
    assert journal.violations == ["too early"]


def test_events_are_passed_on_as_they_come() -> None:
    passed: list[object] = []
    journal = Journal(passed.append)
    journal.record(Forgotten("rdma/a"))
    assert passed == journal.events == [Forgotten("rdma/a")]
