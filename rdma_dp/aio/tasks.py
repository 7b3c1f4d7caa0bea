"""Tasks that run as long as the daemon."""

import asyncio
from collections.abc import Coroutine
from typing import Any, NoReturn


def start(
    tasks: asyncio.TaskGroup, name: str, work: Coroutine[Any, Any, None]
) -> asyncio.Task[NoReturn]:
    """Start a task that must not end. If it does, it raises, which ends the group."""

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
