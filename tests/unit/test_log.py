"""The daemon's log, for people and for programs."""

import asyncio
import json
import logging
from collections.abc import Iterator

import pytest

from rdma_dp import log


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
