"""The line and the verdict that Node Problem Detector gets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdma_dp.doctor.check import Check, Finding, Verdict
from rdma_dp.doctor.examination import Result
from rdma_dp.render import npd

MAX_OUTPUT_LENGTH = 80  # bytes; NPD's default (pkg/custompluginmonitor/types/config.go)


def result(check_id: str, verdict: Verdict, evidence: str = "why", subject: str = "") -> Result:
    made = Check(check_id, "x", "a title", "nothing", (), lambda _node: iter(()))
    return Result(made, (Finding(verdict, evidence, subject=subject),))


OK, UNKNOWN, WARN, FAIL = Verdict.OK, Verdict.UNKNOWN, Verdict.WARN, Verdict.FAIL


@pytest.mark.parametrize(
    ("verdicts", "reported", "line"),
    [
        ([OK, OK], OK, "ok"),
        ([OK, UNKNOWN], OK, "ok"),
        ([], OK, "ok"),
        ([OK, WARN, UNKNOWN], OK, "ok, 1 warning: x-1"),
        ([WARN, WARN], OK, "ok, 2 warnings: x-0, x-1"),
        ([WARN, FAIL, UNKNOWN], FAIL, "x-1: mlx5_0: why"),
        ([FAIL, OK, FAIL], FAIL, "2 failures: x-0, x-2"),
        ([UNKNOWN, UNKNOWN], UNKNOWN, "could not check: x-0, x-1"),
    ],
)
def test_a_failure_is_a_problem_and_a_warning_is_none(
    verdicts: list[Verdict], reported: Verdict, line: str
) -> None:
    results = [result(f"x-{at}", each, subject="mlx5_0") for at, each in enumerate(verdicts)]
    assert npd.report(results) == (reported, line)


def test_the_finding_that_failed_is_shown() -> None:
    """Findings of the same check may be less severe."""
    made = result("x-0", WARN, "slow").check
    mixed = Result(made, (Finding(WARN, "slow"), Finding(FAIL, "gone", subject="mlx5_1")))
    assert npd.report([mixed]) == (FAIL, "x-0: mlx5_1: gone")


def test_ids_that_do_not_fit_are_counted() -> None:
    _, line = npd.report([result(f"family-check-{at}", FAIL) for at in range(9)])
    assert line == ("9 failures: family-check-0, family-check-1, family-check-2 and 6 more")


@given(
    st.lists(st.tuples(st.sampled_from(Verdict), st.text(), st.text()), max_size=8),
    st.integers(1, 100),
)
def test_the_line_is_never_cut_by_npd(
    findings: list[tuple[Verdict, str, str]], length: int
) -> None:
    results = [
        result("i" * length, verdict, evidence, subject) for verdict, evidence, subject in findings
    ]
    _, line = npd.report(results)
    assert 0 < len(line.encode("ascii")) <= MAX_OUTPUT_LENGTH
    assert line.isprintable()


@pytest.mark.parametrize("text", ["a\nb", "\u202e", "\ud800", "ö" * 80, "x" * 81])
def test_an_error_is_one_line_as_well(text: str) -> None:
    line = npd.line(text)
    assert len(line.encode("ascii")) <= MAX_OUTPUT_LENGTH
    assert line.isprintable()
    assert npd.line("x" * 80) == "x" * 80
