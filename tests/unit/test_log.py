"""The daemon's log, for people and for programs."""

import asyncio
import json
import logging
import re
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rdma_dp import log
from rdma_dp.text import LONGEST_LINE
from tests.makers import outside_texts


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger without pytest's own handlers."""
    logger = logging.getLogger()
    before, logger.handlers = logger.handlers, []
    yield logger
    logger.handlers = before


def told(
    root: logging.Logger, form: str, error: BaseException, capsys: pytest.CaptureFixture[str]
) -> str:
    root.handlers = []
    log.configure("info", form)
    logging.getLogger("grpc").error("an exception", exc_info=error)
    return capsys.readouterr().err


def test_an_exception_is_told_with_what_it_is(
    root: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    mistake = ZeroDivisionError("a mistake")
    assert "ZeroDivisionError: a mistake" in told(root, "text", mistake, capsys)
    line = json.loads(told(root, "json", mistake, capsys))
    assert (line["level"], line["message"]) == ("error", "an exception")
    assert "ZeroDivisionError: a mistake" in line["exception"]


def logged(
    root: logging.Logger,
    form: str,
    text: str,
    capsys: pytest.CaptureFixture[str],
    **options: object,
) -> str:
    root.handlers = []
    log.configure("info", form)
    logging.getLogger("rdma_dp").warning("rdma/a: %s", text, **options)  # type: ignore[arg-type]
    return capsys.readouterr().err


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(outside_texts, st.booleans())
def test_one_call_writes_one_line_of_printable_text(
    root: logging.Logger, capsys: pytest.CaptureFixture[str], text: str, failed: bool
) -> None:
    """A4: kubelet's errors, sysfs and HCA names can hold any character and be of any length."""
    error = ValueError(text) if failed else None
    line = logged(root, "text", text, capsys, exc_info=error)
    assert line.endswith("\n")
    assert line[:-1].isprintable()
    assert len(line) <= LONGEST_LINE + 1
    line = logged(root, "json", text, capsys, exc_info=error)
    assert line.endswith("\n")
    assert line[:-1].isprintable()
    assert len(json.loads(line)["message"]) <= LONGEST_LINE


def test_a_text_from_outside_cannot_forge_a_line(
    root: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    """A4: a whole line of the log in an error of kubelet."""
    forged = "no\n2026-01-01 00:00:00,000 INFO    a: registered\x1b[1A\x85\u2028\u202e\ud800"
    shown = r"no\n2026-01-01 00:00:00,000 INFO    a: registered\x1b[1A\x85\u2028\u202e\ud800"
    assert logged(root, "text", forged, capsys).endswith(f" rdma/a: {shown}\n")
    assert json.loads(logged(root, "json", forged, capsys))["message"] == f"rdma/a: {forged}"


def test_a_long_text_keeps_its_beginning_and_its_end(
    root: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    """A4: an error of 100 KB."""
    text = f"begin {'x' * 100_000} end"
    assert re.search(r"begin x+ \[\.\.\.\] x+ end$", logged(root, "text", text, capsys))
    message = json.loads(logged(root, "json", text, capsys))["message"]
    assert re.fullmatch(r"rdma/a: begin x+ \[\.\.\.\] x+ end", message)


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_call_that_ends_with_the_daemon_is_no_news(
    root: logging.Logger, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(root, form, asyncio.CancelledError(), capsys) == ""


def test_a_notice_is_reported_once_until_it_changes_or_is_over() -> None:
    said: list[str] = []
    notice = log.Notice(said.append, lambda: said.append("over"))
    texts = [None, "a", "a", "b", "a", None, None, "a"]
    changed = [notice.set(text) for text in texts]
    assert said == ["a", "b", "a", "over", "a"]
    assert changed == [False, True, False, True, True, True, False, True]
    assert notice.text == "a"
