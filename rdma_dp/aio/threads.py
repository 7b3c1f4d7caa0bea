"""Blocking work on a daemon thread that is never joined.

A read in /sys can hang as long as the firmware of a faulty card. asyncio joins its own threads when
the loop ends, so one such read would delay the exit after SIGTERM.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any, TypeVar

R = TypeVar("R")


def in_thread(work: Callable[..., R], *arguments: Any) -> "asyncio.Future[R]":
    """Start the work at once. The future gets its result or its exception.

    The work continues when the future is cancelled or the loop has ended. It must be harmless then.
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

    threading.Thread(target=run, name=work.__name__, daemon=True).start()
    return future
