"""The results of the doctor for Node Problem Detector (NPD): a verdict and one short line.

NPD shows the line as the message of a node condition. It cuts it at 80 bytes by default
(max_output_length; defaultMaxOutputLength in pkg/custompluginmonitor/types/config.go).
"""

from collections.abc import Sequence

from rdma_dp.doctor.check import Verdict
from rdma_dp.doctor.examination import Result
from rdma_dp.text import counted, one_line

LONGEST = 80  # bytes
_CUT = "..."


def report(results: Sequence[Result]) -> tuple[Verdict, str]:
    """FAIL if a check failed, UNKNOWN if no check could run, else OK; and the line.

    A warning is not a problem here: it does not prevent RDMA from working.
    """
    failed = [each for each in results if each.verdict is Verdict.FAIL]
    if len(failed) == 1:
        return Verdict.FAIL, line(_failure(failed[0]))
    if failed:
        return Verdict.FAIL, line(_listed(f"{counted(len(failed), 'failure')}: ", failed))
    unknown = [each for each in results if each.verdict is Verdict.UNKNOWN]
    if unknown and len(unknown) == len(results):
        return Verdict.UNKNOWN, line(_listed("could not check: ", unknown))
    warned = [each for each in results if each.verdict is Verdict.WARN]
    if warned:
        return Verdict.OK, line(_listed(f"ok, {counted(len(warned), 'warning')}: ", warned))
    return Verdict.OK, "ok"


def line(text: str) -> str:
    """The text as one line of ASCII that NPD does not cut."""
    plain = one_line(text).encode("ascii", "backslashreplace").decode()
    return plain if len(plain) <= LONGEST else f"{plain[: LONGEST - len(_CUT)]}{_CUT}"


def _failure(result: Result) -> str:
    first = next(each for each in result.findings if each.verdict is Verdict.FAIL)
    subject = f"{first.subject}: " if first.subject else ""
    return f"{result.check.id}: {subject}{first.evidence}"


def _listed(begin: str, results: Sequence[Result]) -> str:
    """The ids of the checks, as many as fit."""
    ids = [each.check.id for each in results]
    for shown in range(len(ids), 0, -1):
        left = len(ids) - shown
        text = f"{begin}{', '.join(ids[:shown])}{f' and {left} more' if left else ''}"
        if len(text) <= LONGEST:
            break
    return text
