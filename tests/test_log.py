"""The daemon's log, for people and for programs."""

import asyncio
import json
import logging
from collections.abc import Iterator

import pytest

from rdma_dp import log


@pytest.fixture(params=["text", "json"])
def form(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Iterator[str]:
    root = logging.getLogger()
    before, root.handlers = root.handlers, []
    log.configure("info", request.param)
    yield request.param
    root.handlers = before


def tell(error: BaseException) -> None:
    logging.getLogger("grpc").error("an exception", exc_info=error)


def test_an_exception_is_told_with_its_traceback(
    form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tell(ZeroDivisionError("a mistake"))
    shown = capsys.readouterr().err
    told = json.loads(shown)["exception"] if form == "json" else shown
    assert "ZeroDivisionError: a mistake" in told


@pytest.mark.usefixtures("form")
def test_a_call_that_ends_with_the_daemon_is_no_news(capsys: pytest.CaptureFixture[str]) -> None:
    tell(asyncio.CancelledError())
    assert capsys.readouterr().err == ""
