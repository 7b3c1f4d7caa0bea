"""Codes are stable names: programs compare them, the docs list them."""

import ast
import json
import re

import pytest

from rdma_dp.inventory.verdicts import (
    Code,
    Ineligible,
    IneligibleCode,
    MismatchCode,
    NoInterfaceCode,
    SuspicionCode,
    UnhealthyCode,
    UnusedCode,
)
from tests.paths import REPO

CODES = [
    *IneligibleCode, *MismatchCode, *NoInterfaceCode, *SuspicionCode, *UnhealthyCode, *UnusedCode
]  # fmt: skip

# A code that is in a release is never renamed: scripts and alerts compare it.
STABLE = {
    "driver-without-rdma", "excluded", "function-without-rdma", "handed-over",
    "hca-without-function", "name",
    "interface-in-other-netns", "interface-module-not-loaded", "joined", "made-no-hca",
    "maybe-nvlink-switch-management", "module-not-loaded", "modules-unknown", "multiport",
    "netns-exclusive", "no-active-port", "no-driver", "no-uverbs-class", "no-verbs",
    "not-in-host-netns", "nvlink-switch-management", "other-netns", "passed-through", "selector",
    "smi", "spec-files", "stale-mount", "switchdev", "unreadable", "uverbs-node",
    "uverbs-not-loaded",
}  # fmt: skip


def test_the_codes_are_those_that_programs_know() -> None:
    assert {code.value for code in CODES} == STABLE


@pytest.mark.parametrize("code", CODES)
def test_a_code_is_in_kebab_case_and_has_a_meaning_of_one_line(code: Code) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", code)
    assert code.meaning
    assert "\n" not in code.meaning
    assert json.dumps(code) == f'"{code.value}"'


def test_a_verdict_reads_as_its_text() -> None:
    assert str(Ineligible(IneligibleCode.SMI, "it serves mlx5_0")) == "it serves mlx5_0"


TEXTS = {"text", "reason", "evidence", "suspicion", "ineligible", "unshareable", "remedy"}


@pytest.mark.parametrize("package", ["discovery", "doctor", "inventory", "sharing", "render"])
def test_no_code_compares_the_text_of_a_verdict(package: str) -> None:
    """Neither by startswith or endswith, nor by `==` or `in`."""
    found = [
        f"{path.name}: {ast.unparse(node)}"
        for path in (REPO / "rdma_dp" / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if _compares_a_text(node)
    ]
    assert found == []


def _compares_a_text(node: ast.AST) -> bool:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr in ("startswith", "endswith") and _is_text(node.func.value)
    if isinstance(node, ast.Compare):
        sides = (node.left, *node.comparators)
        by_value = all(isinstance(op, ast.Eq | ast.NotEq | ast.In | ast.NotIn) for op in node.ops)
        return by_value and any(map(_is_text, sides))
    return False


def _is_text(node: ast.AST) -> bool:
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    return name in TEXTS
