"""The results of the doctor, as a table and as JSON with stable field names."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rdma_dp.doctor.check import SEVERITY, Check, Finding, Verdict, worst
from rdma_dp.doctor.examination import Result
from rdma_dp.text import counted, in_lines, some

_COLOURS = {
    Verdict.OK: "green",
    Verdict.UNKNOWN: "cyan",
    Verdict.WARN: "yellow",
    Verdict.FAIL: "bold red",
}
_SUBJECTS = 4  # shown for findings with the same evidence; the JSON has all


def table(results: Sequence[Result], *, every: bool = False) -> RenderableType:
    """The checks with a problem, worst first, with their findings and remedies.

    Checks that could not run because of another check stand in the row of that check. `every` shows
    a row for each check instead.
    """
    ranked = sorted(results, key=lambda result: SEVERITY.index(result.verdict), reverse=True)
    causes = {} if every else _causes(results)
    rows = _grid(2)
    for result in ranked:
        fine = result.verdict is Verdict.OK
        if result.check.id in causes or (fine and not every):
            continue
        lines = [*_findings(result), *_consequences(result, causes)]
        rows.add_row(
            Text(result.verdict, _COLOURS[result.verdict]),
            Text(result.check.id, "dim" if fine else "bold"),
            Text("\n").join(lines),
        )
    parts: list[RenderableType] = [rows, Text()] if rows.row_count else []
    return Group(*parts, *_summary(results, every=every))


def _causes(results: Sequence[Result]) -> dict[str, str]:
    """The id of the first cause, by the id of each check that could not run because of it.

    Checks that are unknown for the same reason have the first of them as their cause.
    """
    problems = {each.check.id: each for each in results if each.verdict is not Verdict.OK}
    first: dict[frozenset[str], str] = {}
    for each in problems.values():
        if each.verdict is Verdict.UNKNOWN:
            first.setdefault(_reasons(each), each.check.id)

    def cause(check: str) -> str:
        if problems[check].verdict is not Verdict.UNKNOWN:
            return check  # it has a result of its own, though its cause may be another check's
        (because, *more) = {finding.because for finding in problems[check].findings}
        if not more and because in problems:
            return cause(because)
        return first.get(_reasons(problems[check]), check)

    return {check: found for check in problems if (found := cause(check)) != check}


def _reasons(result: Result) -> frozenset[str]:
    return frozenset(finding.evidence for finding in result.findings)


def _consequences(result: Result, causes: Mapping[str, str]) -> Iterator[Text]:
    checks = tuple(check for check, cause in causes.items() if cause == result.check.id)
    if checks:
        yield Text(f"not checked because of this: {', '.join(checks)}", "dim")


def catalogue(checks: Iterable[Check]) -> RenderableType:
    """Every check, and what it reads."""
    rows = _grid(1)
    for check in checks:
        text = Text.assemble(check.title, "\n", (f"reads {check.reads}", "dim"))
        rows.add_row(Text(check.id, "bold"), text)
    return rows


def document(results: Sequence[Result]) -> dict[str, Any]:
    """All results, for programs."""
    return {
        "verdict": worst(result.verdict for result in results).value,
        "checks": [
            {
                "id": result.check.id,
                "family": result.check.family,
                "title": result.check.title,
                "looksAt": result.check.reads,
                "verdict": result.verdict.value,
                "findings": [
                    {
                        "verdict": finding.verdict.value,
                        "subject": finding.subject or None,
                        "evidence": finding.evidence,
                        "code": finding.code.value if finding.code else None,
                        "because": finding.because or None,
                        "remedy": list(finding.remedy),
                    }
                    for finding in result.findings
                ],
                "remedy": list(result.remedy),
            }
            for result in results
        ],
    }


def catalogue_document(checks: Iterable[Check]) -> dict[str, Any]:
    """Every check, for programs."""
    return {
        "checks": [
            {
                "id": check.id,
                "family": check.family,
                "title": check.title,
                "looksAt": check.reads,
                "meaning": check.meaning,
                "remedies": list(check.remedies),
            }
            for check in checks
        ]
    }


def _grid(names: int) -> Table:
    """Columns for names, which are never cut, and one for text."""
    rows = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(names):
        rows.add_column(no_wrap=True)
    rows.add_column(overflow="fold")
    return rows


def _findings(result: Result) -> Iterator[Text]:
    alike: dict[str, list[Finding]] = defaultdict(list)
    for finding in in_lines(tuple(result.findings)):
        alike[finding.evidence].append(finding)
    for evidence, findings in alike.items():
        names = some(tuple(each.subject for each in findings if each.subject), _SUBJECTS)
        yield Text(f"{names}: {evidence}" if names else evidence)
        yield from _steps(each.remedy for each in findings)


def _steps(remedies: Iterable[tuple[str, ...]]) -> Iterator[Text]:
    """The first steps of the remedies, each once."""
    steps = list(dict.fromkeys(step for remedy in remedies for step in remedy))
    for step in steps[:_SUBJECTS]:
        yield Text(f"  {step}", "bold")
    if len(steps) > _SUBJECTS:
        yield Text(f"  and {len(steps) - _SUBJECTS} more: `-o json` shows all", "dim")


def _summary(results: Sequence[Result], *, every: bool) -> Iterator[Text]:
    count = Counter(result.verdict for result in results)
    shown = tuple(Verdict) if every else (each for each in Verdict if each is not Verdict.OK)
    parts = [f"{count[verdict]} {verdict}" for verdict in shown if count[verdict]]
    if parts or not results:
        yield Text(", ".join(reversed(parts)) or "no check", "bold")
    if count[Verdict.OK] and not every:
        are, do = ("is", "does") if count[Verdict.OK] == 1 else ("are", "do")
        checks = counted(count[Verdict.OK], "check")
        yield Text(f"{checks} {are} ok or {do} not apply (`--all` lists them)", "dim")
