"""When ResourceSlices may be written again, with a clock of the test."""

import pytest

from rdma_dp.api_server.api_errors import (
    BusyError,
    ConflictError,
    ForbiddenError,
    UnreachableError,
)
from rdma_dp.daemon.dra.slice_pacing import Pacing

START = 1000.0


def written(*, taints: bool = False) -> Pacing:
    pacing = Pacing(interval=1.0, taint_interval=10.0)
    pacing.wrote(START, taints=taints)
    return pacing


def test_the_first_pass_is_due_at_once() -> None:
    assert Pacing().due(only_taints=False) <= 0
    assert Pacing().due(only_taints=True) <= 0


def test_passes_are_a_second_apart() -> None:
    assert written().due(only_taints=False) == START + 1


def test_taints_alone_are_ten_seconds_apart() -> None:
    pacing = written(taints=True)
    assert pacing.due(only_taints=True) == START + 10
    assert pacing.due(only_taints=False) == START + 1
    assert written().due(only_taints=True) == START + 1


def test_what_is_undone_is_due_at_once_and_then_later_each_time() -> None:
    pacing, now, delays = written(), START + 0.1, []
    for _ in range(12):
        pacing.undone(now)
        delays.append(pacing.due(only_taints=False) - now)
        now += max(delays[-1], 0.0)
        pacing.wrote(now, taints=False)
    assert delays[0] <= 0
    assert delays[-1] > 20


def test_after_a_calm_time_it_is_at_once_again() -> None:
    pacing = written()
    for now in (START + 100, START + 101, START + 102, START + 103):
        pacing.undone(now)
    assert pacing.due(only_taints=False) > START + 103
    pacing.undone(START + 500)
    assert pacing.due(only_taints=False) <= START + 500


@pytest.mark.parametrize("kind", [BusyError, UnreachableError, ConflictError])
def test_failures_are_tried_again_soon_then_later(kind: type[Exception]) -> None:
    pacing, delays = Pacing(), []
    for _ in range(12):
        pacing.failed(START, kind("x"))  # type: ignore[arg-type]
        delays.append(pacing.due(only_taints=False) - START)
    assert 0 < delays[0] < 1
    assert 20 < delays[-1] < 60


def test_what_is_forbidden_is_tried_again_each_minute() -> None:
    pacing = Pacing()
    pacing.failed(START, ForbiddenError("x"))
    assert pacing.due(only_taints=False) == START + 60


def test_the_delay_of_the_server_counts() -> None:
    pacing = Pacing()
    pacing.failed(START, BusyError("x", retry_after=120.0))
    assert pacing.due(only_taints=False) == START + 120


def test_what_must_not_stay_is_changed_at_once() -> None:
    pacing = written(taints=True)
    pacing.at_once()
    assert pacing.due(only_taints=False) <= START
