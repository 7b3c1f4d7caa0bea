"""What a check is, and what it finds. Pure.

A check looks at a NodeView and yields findings; the worst of them is its verdict. Its id is stable:
people put it into scripts and tickets. Its docstring is its entry in docs/troubleshooting.md.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from rdma_dp.inventory.verdicts import Code
from rdma_dp.node.view import NodeView


class Verdict(StrEnum):
    """From the best to the worst. UNKNOWN is an honest "could not be seen"."""

    OK = "ok"
    UNKNOWN = "unknown"
    WARN = "warn"
    FAIL = "fail"


_SEVERITY = tuple(Verdict)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst of them; OK of none."""
    return max(verdicts, key=_SEVERITY.index, default=Verdict.OK)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check saw.

    `evidence` is one line: what was read where. `remedy` is what to type, a command or a step per
    item. Findings that differ in `subject` (an HCA, a pod, a resource) alone are shown as one.
    `code` is that of the verdict that the evidence quotes.
    """

    verdict: Verdict
    evidence: str
    remedy: tuple[str, ...] = ()
    subject: str = ""
    code: Code | None = None


def ok(evidence: str) -> Finding:
    """All is well, and by what one sees that."""
    return Finding(Verdict.OK, evidence)


def unknown(evidence: str, *remedy: str, subject: str = "", code: Code | None = None) -> Finding:
    """It could not be seen, and why."""
    return Finding(Verdict.UNKNOWN, evidence, remedy, subject, code)


def warn(evidence: str, *remedy: str, subject: str = "", code: Code | None = None) -> Finding:
    """Something that may hurt, or hurts somebody."""
    return Finding(Verdict.WARN, evidence, remedy, subject, code)


def fail(evidence: str, *remedy: str, subject: str = "", code: Code | None = None) -> Finding:
    """Something that keeps RDMA from working."""
    return Finding(Verdict.FAIL, evidence, remedy, subject, code)


Look = Callable[[NodeView], Iterator[Finding]]


@dataclass(frozen=True, slots=True)
class Check:
    """One entry of the catalogue.

    `reads` names the files and interfaces that it reads, `remedies` the commands that it may
    propose, with placeholders in capitals.
    """

    id: str
    family: str
    title: str
    reads: str
    remedies: tuple[str, ...]
    look: Look

    @property
    def meaning(self) -> str:
        """What it means when this is not well: the docstring of its function."""
        return inspect.getdoc(self.look) or ""


def check(
    id: str,  # noqa: A002 (that is what it is called everywhere)
    title: str,
    *,
    reads: str,
    remedies: tuple[str, ...] = (),
) -> Callable[[Look], Check]:
    """Makes a check of a function. Its family is what stands before the first dash of its id."""

    def made(look: Look) -> Check:
        return Check(id, id.partition("-")[0], title, reads, remedies, look)

    return made
