"""Debounce in virtual time, so each moment is exact."""

import asyncio
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from rdma_dp.aio.debounce import LONGEST, QUIET, Debounce
from tests.integration.updates.clocks import run_in_virtual_time

NEARLY = 1e-6  # seconds: sums of floats


async def looks_after(wakes: Sequence[float], at_once: Sequence[float] = ()) -> list[float]:
    """The moments at which `settled` returns, with an event at each of the given moments."""
    loop, debounce, looks = asyncio.get_running_loop(), Debounce(), []
    for moment in wakes:
        loop.call_at(moment, debounce.wake)
    for moment in at_once:
        loop.call_at(moment, debounce.wake_at_once)

    async def look_for_ever() -> None:
        while True:
            await debounce.settled()
            looks.append(loop.time())

    task = asyncio.create_task(look_for_ever())
    await asyncio.sleep(max([*wakes, *at_once], default=0) + 10 * LONGEST)
    task.cancel()
    return looks


def looks(*wakes: float, at_once: Sequence[float] = ()) -> list[float]:
    found = run_in_virtual_time(looks_after(wakes, at_once))
    return [round(moment, 6) for moment in found]


def test_without_events_there_is_no_scan() -> None:
    assert looks() == []


def test_one_event_causes_one_scan_after_a_pause() -> None:
    assert looks(5.0) == [5.1]


def test_many_events_within_a_moment_cause_one_scan() -> None:
    assert looks(*(1 + number * 0.002 for number in range(101))) == [1.3]


def test_events_far_apart_cause_one_scan_each() -> None:
    assert looks(1, 2, 3) == [1.1, 2.1, 3.1]


def test_a_series_of_events_delays_the_scan_at_most_for_the_longest_wait() -> None:
    """1,000 events in 10 s without a pause: one scan per second."""
    found = looks(*(1 + number / 100 for number in range(1000)))
    assert found[0] == 2.0
    assert len(found) == 10


def test_a_demand_is_met_at_once() -> None:
    assert looks(at_once=[3]) == [3]


def test_a_demand_is_met_at_once_in_a_storm_too() -> None:
    assert looks(1, 1.05, 1.09, at_once=[1.06]) == [1.06, 1.19]


def test_what_happens_before_anybody_waits_is_not_lost() -> None:
    async def woken_early() -> float:
        debounce = Debounce()
        debounce.wake()
        await asyncio.sleep(7)
        await debounce.settled()
        return asyncio.get_running_loop().time()

    assert round(run_in_virtual_time(woken_early()), 6) == 7.1


def test_a_cancelled_wait_ends_at_once() -> None:
    """Also when an event comes at the same moment."""

    async def cancelled() -> bool:
        debounce = Debounce()
        waiting = asyncio.create_task(debounce.settled())
        debounce.wake()
        await asyncio.sleep(QUIET / 2)
        debounce.wake()
        waiting.cancel()
        await asyncio.wait([waiting])
        return waiting.cancelled() and asyncio.get_running_loop().time() < QUIET

    assert run_in_virtual_time(cancelled())


@given(st.lists(st.floats(0, 8), max_size=60))
def test_every_event_is_followed_by_a_scan_and_no_scan_is_too_early(
    wakes: list[float],
) -> None:
    found = run_in_virtual_time(looks_after(wakes))
    for wake in wakes:
        assert any(wake <= look <= wake + LONGEST + NEARLY for look in found)
    previous = -1.0
    for look in found:
        before = [wake for wake in wakes if previous - NEARLY <= wake < look - NEARLY]
        assert before, "a look without an event"
        quiet = look - max(before) >= QUIET - NEARLY
        assert quiet or look - min(before) >= LONGEST - NEARLY
        previous = look
