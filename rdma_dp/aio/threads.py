"""Blocking work on a thread that nobody waits for at the end.

A read in /sys can hang for as long as a sick card's firmware does. asyncio's own threads are joined
when the loop ends, so one such read would keep SIGTERM waiting.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any, TypeVar

R = TypeVar("R")


def in_thread(work: Callable[..., R], *arguments: Any) -> "asyncio.Future[R]":
    """Starts the work at once; the future has its result or its exception.

    The work goes on when the future is cancelled or the loop has ended: it must not matter then.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[R] = loop.create_future()
    future.add_done_callback(lambda done: done.cancelled() or done.exception())  # seen, always

    def settle(how: Callable[[Any], None], what: Any) -> None:
        if not future.done():
            how(what)

    def run() -> None:
        end: tuple[Callable[[Any], None], Any]
        try:
            end = future.set_result, work(*arguments)
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to who waits
            end = future.set_exception, error
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(settle, *end)

    threading.Thread(target=run, name=work.__name__, daemon=True).start()
    return future
