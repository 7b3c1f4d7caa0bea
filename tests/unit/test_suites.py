"""Suites that run the tests on each of several programs."""

import logging

import pytest

from tests.heavy import suite
from tests.heavy.suite import CannotRunError

log = logging.getLogger(__name__)


def lacks() -> tuple[int, str]:
    raise CannotRunError("this machine has none")


RUNS = (("one", lambda: (0, "one: 3 s")), ("two", lambda: (2, "two: 5 s")), ("three", lacks))


@pytest.mark.parametrize(
    ("in_ci", "runs", "code", "counts"),
    [
        ("", RUNS, 1, "1 passed, 1 failed, 1 skipped"),
        ("true", RUNS, 1, "1 passed, 2 failed, 0 skipped"),
        ("", (RUNS[0], RUNS[2]), 0, "1 passed, 0 failed, 1 skipped"),
        ("true", (RUNS[0], RUNS[2]), 1, "1 passed, 1 failed, 0 skipped"),
    ],
)
def test_the_summary_has_each_run(
    in_ci: str,
    runs: list[suite.Run],
    code: int,
    counts: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("CI", in_ci)
    assert suite.run_each(log, runs) == code
    lines = {
        "one": "passed   one: 3 s",
        "two": "FAILED   two: 5 s",
        "three": "not run  three: this machine has none",
    }
    expected = [lines[name] for name, _ in runs]
    assert capsys.readouterr().out.splitlines() == ["", *expected, counts]


@pytest.mark.parametrize(
    ("words", "own", "more"),
    [
        (["3.12", "--", "-k", "a"], ["3.12"], ["-k", "a"]),
        (["3.12"], ["3.12"], []),
        (["--", "-x", "--", "y"], [], ["-x", "--", "y"]),
    ],
)
def test_what_is_behind_two_dashes_is_for_pytest(
    words: list[str], own: list[str], more: list[str]
) -> None:
    assert suite.split(words) == (own, more)
