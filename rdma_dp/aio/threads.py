"""Blocking work on a daemon thread that is never joined.

A read in /sys can hang as long as the firmware of a faulty card. asyncio joins its own threads when
the loop ends, so one such read would delay the exit after SIGTERM.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from rdma_dp.log import Notice

logger = logging.getLogger(__name__)

R = TypeVar("R")

# Seconds between two attempts to start a thread. It fails when memory or process ids are used up.
_RETRY = 0.5

_no_thread = Notice(logger.warning, lambda: logger.info("threads can be started again"))


def in_thread(work: Callable[..., R], *arguments: Any) -> "asyncio.Future[R]":
    """Start the work at once. The future gets its result or its exception.

    The work continues when the future is cancelled or the loop has ended. It must be harmless then.
    While no thread can be started, this is tried again, and the log says so once.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[R] = loop.create_future()
    future.add_done_callback(lambda done: done.cancelled() or done.exception())  # no warning

    def settle(how: Callable[[Any], None], what: Any) -> None:
        if not future.done():
            how(what)

    def run() -> None:
        end: tuple[Callable[[Any], None], Any]
        try:
            end = future.set_result, work(*arguments)
        except Exception as error:  # noqa: BLE001 - raised again where the future is awaited
            end = future.set_exception, error
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(settle, *end)

    def begin() -> None:
        if future.done():
            return
        try:
            threading.Thread(target=run, name=work.__name__, daemon=True).start()
        except (RuntimeError, MemoryError) as error:
            _no_thread.set(f"{error}: memory or process ids are used up; trying again")
            loop.call_later(_RETRY, begin)
        else:
            _no_thread.set(None)

    begin()
    return future


async def wait_for_end(
    work: "asyncio.Future[Any]", patience: float, slow: Callable[[], None]
) -> None:
    """Waits for the end of work in a thread. Calls `slow` if it takes more than `patience` seconds.

    The work continues when this wait is cancelled. What it returns or raises stays in the future.
    """
    done, _ = await asyncio.wait([work], timeout=patience)
    if not done:
        slow()
        await asyncio.wait([work])
