"""Checks and their findings. Pure.

A check inspects a NodeView and yields findings. Its verdict is the worst verdict of the findings.
Its id is stable, because scripts use it. Its docstring is its entry in docs/troubleshooting.md.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from inspect import getdoc

from rdma_dp.inventory.verdicts import Code
from rdma_dp.node.view import NodeView


class Verdict(StrEnum):
    """From the best to the worst. UNKNOWN: the node does not show it."""

    OK = "ok"
    UNKNOWN = "unknown"
    WARN = "warn"
    FAIL = "fail"


SEVERITY = tuple(Verdict)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst verdict; OK if there is none."""
    return max(verdicts, key=SEVERITY.index, default=Verdict.OK)


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of a check.

    `evidence` is one line: what was read, and where. `remedy` has a command or a step per item.
    Findings with the same evidence are shown as one, with all their subjects (HCAs, pods,
    resources).
    `code` is that of the verdict that the evidence quotes. `because` is the id of the check whose
    result is the cause, for a finding that only refers to it. `effect` is what the finding says if
    another check reports its cause: a finding with the same code or the same commands.
    """

    verdict: Verdict
    evidence: str
    remedy: tuple[str, ...] = ()
    subject: str = ""
    code: Code | None = None
    because: str = ""
    effect: str = ""


def ok(evidence: str) -> Finding:
    """No problem; `evidence` is what shows that."""
    return Finding(Verdict.OK, evidence)


def unknown(evidence: str, *remedy: str, subject: str = "", code: Code | None = None) -> Finding:
    """The node does not show it; `evidence` is why."""
    return Finding(Verdict.UNKNOWN, evidence, remedy, subject, code)


def not_checked(evidence: str, *, because: str) -> Finding:
    """The check with the id `because` has to succeed first; `evidence` is what is missing."""
    return Finding(Verdict.UNKNOWN, f"{evidence}: see {because}", because=because)


def warn(
    evidence: str,
    *remedy: str,
    subject: str = "",
    code: Code | None = None,
    because: str = "",
    effect: str = "",
) -> Finding:
    """A possible problem, or a problem of a part of the pods."""
    return Finding(Verdict.WARN, evidence, remedy, subject, code, because, effect)


def fail(
    evidence: str,
    *remedy: str,
    subject: str = "",
    code: Code | None = None,
    because: str = "",
    effect: str = "",
) -> Finding:
    """A problem that prevents RDMA from working."""
    return Finding(Verdict.FAIL, evidence, remedy, subject, code, because, effect)


def consequence(finding: Finding, because: str) -> Finding:
    """The finding without the evidence and the remedy of its cause, which `because` reports."""
    evidence = f"{finding.effect}: see {because}"
    return replace(finding, evidence=evidence, remedy=(), because=because)


Inspection = Callable[[NodeView], Iterator[Finding]]


@dataclass(frozen=True, slots=True)
class Check:
    """One entry of the catalogue.

    `reads` names the files and interfaces that it reads, `remedies` the commands that it may
    suggest, with placeholders in capitals.
    """

    id: str
    family: str
    title: str
    reads: str
    remedies: tuple[str, ...]
    inspect: Inspection

    @property
    def meaning(self) -> str:
        """What a problem means: the docstring of its function."""
        return getdoc(self.inspect) or ""


def check(
    id: str,  # noqa: A002 (the name of the field)
    title: str,
    *,
    reads: str,
    remedies: tuple[str, ...] = (),
) -> Callable[[Inspection], Check]:
    """Makes a check of a function. Its family is the part of its id before the first dash."""

    def made(inspect: Inspection) -> Check:
        return Check(id, id.partition("-")[0], title, reads, remedies, inspect)

    return made
