"""."""

import asyncio
from collections.abc import Coroutine
from typing import Any, NoReturn


def start(
    tasks: asyncio.TaskGroup, name: str, work: Coroutine[Any, Any, None]
) -> asyncio.Task[NoReturn]:
    """A task that is to run for as long as the daemon does."""

    async def guarded() -> NoReturn:
        try:
            await work
        except asyncio.CancelledError:
            if task.cancelling():
                raise
            # Cancelled by nobody: gRPC does that, and a TaskGroup would let it pass in silence.
        raise RuntimeError(f"{name} ended unexpectedly")

    task = tasks.create_task(guarded(), name=name)
    return task
