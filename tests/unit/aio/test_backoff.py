"""Delays between attempts grow up to a limit, and are short again after a success."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from rdma_dp.aio.backoff import Backoff

SHORTEST, LONGEST = 0.15, 37.5  # seconds, jitter included


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=60))
def test_a_wait_is_never_zero_and_never_long(passed: list[float]) -> None:
    clock = Clock()
    backoff = Backoff(clock)
    for seconds in passed:
        clock.now += seconds
        assert SHORTEST <= backoff.delay() <= LONGEST


def test_waits_grow_while_each_attempt_fails_at_once() -> None:
    clock = Clock()
    backoff = Backoff(clock)
    delays = []
    for _ in range(20):
        delays.append(backoff.delay())
        clock.now += delays[-1]
    assert delays[0] <= 0.25
    assert all(later > earlier for earlier, later in pairwise(delays[:8]))
    assert min(delays[-5:]) >= 22.5


@given(st.integers(1, 30))
def test_after_a_reset_waits_are_short_again(attempts: int) -> None:
    backoff = Backoff(Clock())
    for _ in range(attempts):
        backoff.delay()
    backoff.reset()
    assert backoff.delay() <= 0.25


@given(st.integers(1, 30))
def test_after_a_long_success_waits_are_short_again(attempts: int) -> None:
    clock = Clock()
    backoff = Backoff(clock)
    for _ in range(attempts):
        clock.now += backoff.delay()
    clock.now += 100
    assert backoff.delay() <= 0.25


def test_two_that_disturb_each_other_drift_apart() -> None:
    assert len({Backoff(Clock()).delay() for _ in range(20)}) > 1
