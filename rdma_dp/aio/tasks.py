"""Tasks that are to run for as long as the process does."""

import asyncio
from collections.abc import Coroutine
from typing import Any, NoReturn


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
