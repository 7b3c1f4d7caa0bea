"""A1: work in a thread that cannot be started at first."""

import asyncio
import threading

import pytest

from rdma_dp.aio.threads import in_thread
from tests.logs import DEADLINE, Log


async def test_work_waits_for_a_thread_and_the_log_says_so_once(
    monkeypatch: pytest.MonkeyPatch, lines: Log
) -> None:
    """A1: without memory or process ids, this ended the daemon."""
    start, attempts = threading.Thread.start, 0

    def fails_at_first(thread: threading.Thread) -> None:
        nonlocal attempts
        attempts += 1
        if attempts < 4:
            raise RuntimeError("can't start new thread")
        start(thread)

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", fails_at_first)
        async with asyncio.timeout(DEADLINE):
            assert await in_thread(lambda: 42) == 42
    assert lines.all == [
        "can't start new thread: memory or process ids are used up; trying again",
        "threads can be started again",
    ]
