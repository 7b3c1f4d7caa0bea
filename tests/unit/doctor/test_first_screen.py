"""H17: the first screen of `rdma-dp doctor` holds the answer: problems first, each cause once."""

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from rdma_dp.doctor.catalogue import CATALOGUE
from rdma_dp.doctor.check import Check, Finding, Verdict, check, not_checked
from rdma_dp.doctor.examination import Result
from rdma_dp.node.view import NodeView
from rdma_dp.render import console, doctor
from tests.conftest import Sample
from tests.unit.cli.process import rdma_dp
from tests.unit.doctor.ailing import ALL_MELLANOX

WORST_FIRST = ("fail", "warn", "unknown", "ok")


def made(id_: str) -> Check:
    @check(id_, "a check", reads="nothing")
    def inspect(_: NodeView) -> Iterator[Finding]:
        """Not run here."""
        yield from ()

    return inspect


VERDICTS = st.lists(st.sampled_from(Verdict), max_size=12)


def shown(results: list[Result], *, every: bool = False) -> list[tuple[str, str]]:
    """The verdict and the check of each row, from top to bottom."""
    lines = console.plain(doctor.table(results, every=every)).splitlines()
    words = (line.split() for line in lines if line and not line.startswith(" "))
    return [(first, second) for first, second, *_ in words if first in WORST_FIRST]


@given(VERDICTS)
def test_the_rows_are_problems_and_the_worst_comes_first(verdicts: list[Verdict]) -> None:
    results = [
        Result(made(f"x-{at}"), (Finding(verdict, f"evidence {at}"),))
        for at, verdict in enumerate(verdicts)
    ]
    rows = shown(results)
    assert [verdict for verdict, _ in rows] == sorted(
        (each.value for each in verdicts if each is not Verdict.OK), key=WORST_FIRST.index
    )
    assert {check for _, check in rows} == {
        each.check.id for each in results if each.verdict is not Verdict.OK
    }
    assert {check for _, check in shown(results, every=True)} == {each.check.id for each in results}


def test_what_could_not_be_checked_stands_with_its_cause() -> None:
    results = [
        Result(made("x-cause"), (Finding(Verdict.FAIL, "kubelet has exited"),)),
        Result(made("x-first"), (not_checked("not queried", because="x-cause"),)),
        Result(made("x-second"), (not_checked("no holders", because="x-first"),)),
        Result(made("x-other"), (not_checked("no such check ran", because="x-absent"),)),
    ]
    assert shown(results) == [("fail", "x-cause"), ("unknown", "x-other")]
    text = console.plain(doctor.table(results))
    assert "not checked because of this: x-first, x-second" in text
    assert len(shown(results, every=True)) == 4


def test_one_reason_of_several_checks_stands_once() -> None:
    results = [
        Result(made(f"x-{at}"), (Finding(Verdict.UNKNOWN, "cannot read /proc"),)) for at in range(3)
    ]
    assert shown(results) == [("unknown", "x-0")]
    assert console.plain(doctor.table(results)).count("/proc") == 1


def test_the_checks_without_a_problem_are_one_line(sample: Sample) -> None:
    words = ("doctor", "--root", sample("no-umad"), "--config", ALL_MELLANOX)
    ended = rdma_dp(*words)
    assert ended.out.startswith("warn")
    assert not any(line.startswith("ok") for line in ended.out.splitlines())
    assert "checks are ok or do not apply (`--all` lists them)" in ended.out
    every = rdma_dp(*words, "--all")
    assert all(each.id in every.out for each in CATALOGUE)
    assert every.code == ended.code
    assert len(rdma_dp(*words, "-o", "json").document["checks"]) == len(CATALOGUE)


def test_a_chosen_check_is_shown_with_each_verdict(sample: Sample) -> None:
    ended = rdma_dp(
        "doctor", "--root", sample("seed"), "--config", ALL_MELLANOX, "--only", "hca-modules"
    )
    assert ended.out.startswith("ok")
