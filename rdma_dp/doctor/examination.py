"""Runs checks on a node and collects their findings."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from rdma_dp.config.loading import FoundConfig
from rdma_dp.doctor.catalogue import CATALOGUE
from rdma_dp.doctor.check import Check, Finding, Verdict, consequence, ok, unknown, worst
from rdma_dp.host.files import HostError
from rdma_dp.node.source import NodeSource
from rdma_dp.node.view import NodeView, view_node

_PROBLEMS = (Verdict.WARN, Verdict.FAIL)
_OWN_COMMANDS = "rdma-dp "  # they show what the finding says


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one check. `findings` has OK findings only if all findings are OK."""

    check: Check
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of the findings."""
        return worst(finding.verdict for finding in self.findings)

    @property
    def remedy(self) -> tuple[str, ...]:
        """The remedies of all findings, each once."""
        return tuple(dict.fromkeys(step for each in self.findings for step in each.remedy))


def examine(node: NodeView, checks: Iterable[Check]) -> tuple[Result, ...]:
    """The results in the order of the checks."""
    results = tuple(Result(check, _inspected(check, node)) for check in checks)
    return tuple(_with_causes(results))


def examine_node(root: NodeSource, config: FoundConfig) -> tuple[Result, ...]:
    """The results of all checks on a node."""
    return examine(view_node(root, config), CATALOGUE)


def _with_causes(results: Sequence[Result]) -> Iterator[Result]:
    """The results, in which an effect of a finding of another check refers to that check."""
    causes = [
        (result.check.id, each)
        for result in results
        for each in result.findings
        if each.verdict in _PROBLEMS and not each.effect and not each.because
    ]
    for result in results:
        found = tuple(_referring(each, causes) for each in result.findings)
        causes += [(result.check.id, each) for each in found if each.effect and not each.because]
        yield replace(result, findings=found)


def _referring(finding: Finding, causes: Iterable[tuple[str, Finding]]) -> Finding:
    """The finding, or its effect alone if a cause has its code or its commands."""
    if not finding.effect:
        return finding
    needed = {step for step in finding.remedy if not step.startswith(_OWN_COMMANDS)}
    for check, cause in causes:
        is_same = finding.code is not None and finding.code is cause.code
        if needed <= set(cause.remedy) and (needed or is_same):
            return consequence(finding, check)
    return finding


def _on_one_line(finding: Finding) -> Finding:
    """The finding without line breaks, which quoted files may contain."""
    return replace(finding, evidence=" ".join(finding.evidence.split()))


def _inspected(check: Check, node: NodeView) -> tuple[Finding, ...]:
    findings: list[Finding] = []
    try:
        findings.extend(map(_on_one_line, check.inspect(node)))
    except HostError as error:  # the findings before it stay
        findings.append(unknown(error.message, *([error.hint] if error.hint else [])))
    problems = tuple(finding for finding in findings if finding.verdict is not Verdict.OK)
    return problems or tuple(findings) or (ok("does not apply to this node"),)
