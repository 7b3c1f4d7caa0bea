"""Lets checks look at a node, and puts what they found together."""

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
    """What one check found. `findings` are those that matter: the good ones only if all are."""

    check: Check
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst of what was found."""
        return worst(finding.verdict for finding in self.findings)

    @property
    def remedy(self) -> tuple[str, ...]:
        """What to type, each command once."""
        return tuple(dict.fromkeys(step for each in self.findings for step in each.remedy))


def examine(node: NodeView, checks: Iterable[Check]) -> tuple[Result, ...]:
    """The results in the order of the checks."""
    return tuple(Result(check, _looked(check, node)) for check in checks)


def examine_node(root: NodeSource, config: FoundConfig) -> tuple[Result, ...]:
    """The results of all checks on a node."""
    return examine(view_node(root, config), CATALOGUE)


def _on_one_line(finding: Finding) -> Finding:
    """Whatever a file of the node held that is quoted in it."""
    return replace(finding, evidence=" ".join(finding.evidence.split()))


def _looked(check: Check, node: NodeView) -> tuple[Finding, ...]:
    findings: list[Finding] = []
    try:
        findings.extend(map(_on_one_line, check.look(node)))
    except HostError as error:  # what was seen before it counts all the same
        findings.append(unknown(error.message, *([error.hint] if error.hint else [])))
    troubles = tuple(finding for finding in findings if finding.verdict is not Verdict.OK)
    return troubles or tuple(findings) or (ok("nothing here that it concerns"),)
