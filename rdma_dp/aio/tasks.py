"""Tasks that run for as long as the process does, and work that a cancellation must not cut."""

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any, NoReturn, TypeVar

R = TypeVar("R")


def start(
    tasks: asyncio.TaskGroup, name: str, work: Coroutine[Any, Any, None]
) -> asyncio.Task[NoReturn]:
    """Starts work that must not end by itself.

    When it ends without being cancelled, the task fails with RuntimeError, and so does the group.
    """

    async def guarded() -> NoReturn:
        try:
            await work
        except asyncio.CancelledError:
            if task.cancelling():
                raise
            # gRPC raises this without a cancellation, and a TaskGroup would ignore it.
        raise RuntimeError(f"{name} ended unexpectedly")

    task = tasks.create_task(guarded(), name=name)
    return task


async def uninterrupted(work: Awaitable[R]) -> R:
    """Finishes `work`, even if this task is cancelled meanwhile. The cancellation comes afterwards.

    Returns what the work returns.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    finally:
        if not task.done():
            await asyncio.wait([task])
