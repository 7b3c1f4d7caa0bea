"""The rules of the house that no linter knows (docs/development.md)."""

import ast
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from tests.paths import REPO

PACKAGE = REPO / "rdma_dp"
MODULES = [
    path
    for path in sorted(PACKAGE.rglob("*.py"))
    if "api" not in path.relative_to(PACKAGE).parts and path.name != "__init__.py"
]
LONGEST_MODULE = 300  # lines
LONGEST_FUNCTION = 40
REASON = "Longer than"  # how a module's docstring begins its reason


def test_a_file_name_is_used_once() -> None:
    """But in doctor/checks, whose files are called as what they check."""
    names = Counter(path.name for path in MODULES if path.parent.name != "checks")
    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_is_short_or_says_why(path: Path) -> None:
    text = path.read_text()
    docstring = ast.get_docstring(ast.parse(text)) or ""
    assert len(text.splitlines()) <= LONGEST_MODULE or REASON in docstring


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_function_fits_a_screen(path: Path) -> None:
    long = [
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= LONGEST_FUNCTION
    ]
    assert long == []


def test_the_wheel_holds_the_package_alone(tmp_path: Path) -> None:
    code = f"from hatchling.build import build_wheel; print(build_wheel({str(tmp_path)!r}))"
    made = subprocess.run(
        [sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=True
    )
    with zipfile.ZipFile(tmp_path / made.stdout.split()[-1]) as wheel:
        tops = {name.partition("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"rdma_dp"}
