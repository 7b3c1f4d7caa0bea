"""A function in a process of its own."""

import os
import signal
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from rdma_dp.aio.function_process import FunctionProcess, ProcessError

DEADLINE = 60.0  # seconds; only a failing test waits that long


def test_the_function_runs_in_another_process() -> None:
    assert FunctionProcess("os", "getpid").result() not in (os.getpid(), 0)


def test_it_gets_the_arguments_and_its_value_comes_back() -> None:
    process = FunctionProcess("fractions", "Fraction")
    assert process.result(4, 6) == Fraction(2, 3)


def test_large_arguments_and_values_do_not_block() -> None:
    many = b"x" * 2_000_000
    assert FunctionProcess("builtins", "bytes").result(many) == many


def test_it_has_the_import_path_of_this_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "Ñ \udcff"  # a name that is not in any encoding
    directory.mkdir()
    monkeypatch.syspath_prepend(directory)
    (directory / "only_there.py").write_text("def answer(): return 42\n")
    assert FunctionProcess("only_there", "answer").result() == 42


def test_it_imports_nothing_from_the_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python 3.13 imports linecache before the code of `-c`, and 3.11 nothing."""
    for module in ("linecache", "fcntl", "encodings", "warnings"):
        (tmp_path / f"{module}.py").write_text("import os; os._exit(3)\n")
    monkeypatch.chdir(tmp_path)
    assert FunctionProcess("builtins", "abs").result(-1) == 1


def test_an_exception_is_a_process_error() -> None:
    with pytest.raises(ProcessError, match="ended with status 1") as raised:
        FunctionProcess("builtins", "int").result("no number")
    assert not raised.value.killed


def test_a_killed_process_is_a_process_error() -> None:
    process = FunctionProcess("signal", "raise_signal")
    with pytest.raises(ProcessError, match=f"ended with status -{int(signal.SIGKILL)}") as raised:
        process.result(signal.SIGKILL)
    assert raised.value.killed


def test_an_unused_process_ends_without_a_call() -> None:
    FunctionProcess("os", "abort").dismiss()


# Callers whose other process hangs, while it imports the function and while it runs it.
IMPORTING = """
import time
from rdma_dp.aio.function_process import FunctionProcess
process = FunctionProcess("hangs", "hang")
time.sleep(600)
"""
RUNNING = """
from rdma_dp.aio.function_process import FunctionProcess
FunctionProcess("hangs", "hang").result()
"""
HANG = "import sys; print('begins', file=sys.stderr, flush=True)\nwhile True: pass\n"


@pytest.mark.parametrize("caller", [IMPORTING, RUNNING])
def test_it_ends_with_its_caller(tmp_path: Path, caller: str) -> None:
    in_call = caller is RUNNING
    (tmp_path / "hangs.py").write_text(f"def hang(): exec({HANG!r})" if in_call else HANG)
    path = os.pathsep.join([str(tmp_path), *sys.path])
    with subprocess.Popen(
        [sys.executable, "-c", caller],
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == b"begins\n"
        process.kill()
        process.communicate(timeout=DEADLINE)  # until no process has this stderr
