"""The results of the doctor, as a table and as JSON with stable field names."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rdma_dp.doctor.check import Check, Finding, Verdict, worst
from rdma_dp.doctor.examination import Result
from rdma_dp.text import in_lines, some

_COLOURS = {
    Verdict.OK: "green",
    Verdict.UNKNOWN: "cyan",
    Verdict.WARN: "yellow",
    Verdict.FAIL: "bold red",
}
_SUBJECTS = 4  # shown for findings with the same evidence; the JSON has all


def table(results: Sequence[Result]) -> RenderableType:
    """One line for each check without a problem; findings and remedies for the others."""
    rows = _grid(2)
    for result in results:
        rows.add_row(
            Text(result.verdict, _COLOURS[result.verdict]),
            Text(result.check.id, "dim" if result.verdict is Verdict.OK else "bold"),
            Text("\n").join(_findings(result)),
        )
    return Group(rows, Text(), _summary(results))


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


def _summary(results: Sequence[Result]) -> Text:
    count = Counter(result.verdict for result in results)
    worst_first = reversed(Verdict)
    parts = [f"{count[verdict]} {verdict}" for verdict in worst_first if count[verdict]]
    return Text(", ".join(parts) or "no check", "bold")
