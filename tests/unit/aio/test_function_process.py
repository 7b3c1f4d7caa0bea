"""A function in a process of its own."""

import os
import signal
from fractions import Fraction

import pytest

from rdma_dp.aio.function_process import FunctionProcess, ProcessError


def test_the_function_runs_in_another_process() -> None:
    assert FunctionProcess("os", "getpid").result() not in (os.getpid(), 0)


def test_it_gets_the_arguments_and_its_value_comes_back() -> None:
    process = FunctionProcess("fractions", "Fraction")
    assert process.result(4, 6) == Fraction(2, 3)


def test_large_arguments_and_values_do_not_block() -> None:
    many = b"x" * 2_000_000
    assert FunctionProcess("builtins", "bytes").result(many) == many


def test_it_has_the_import_path_of_this_process(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    with open(f"{tmp_path}/only_there.py", "w") as module:  # noqa: PTH123
        module.write("def answer(): return 42\n")
    assert FunctionProcess("only_there", "answer").result() == 42


def test_an_exception_is_a_process_error() -> None:
    with pytest.raises(ProcessError, match="ended with status 1"):
        FunctionProcess("builtins", "int").result("no number")


def test_a_killed_process_is_a_process_error() -> None:
    process = FunctionProcess("signal", "raise_signal")
    with pytest.raises(ProcessError, match=f"ended with status -{int(signal.SIGKILL)}"):
        process.result(signal.SIGKILL)


def test_an_unused_process_ends_without_a_call() -> None:
    FunctionProcess("os", "abort").dismiss()
