"""Runs checks on a node and collects their findings."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from rdma_dp.config.loading import FoundConfig
from rdma_dp.doctor.catalogue import CATALOGUE
from rdma_dp.doctor.check import Check, Finding, Verdict, ok, unknown, worst
from rdma_dp.host.files import HostError
from rdma_dp.node.source import NodeSource
from rdma_dp.node.view import NodeView, view_node


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
    return tuple(Result(check, _inspected(check, node)) for check in checks)


def examine_node(root: NodeSource, config: FoundConfig) -> tuple[Result, ...]:
    """The results of all checks on a node."""
    return examine(view_node(root, config), CATALOGUE)


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
