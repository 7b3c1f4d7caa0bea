"""Background tasks with a name and an owner."""

import asyncio
from collections.abc import Coroutine
from typing import Any


class TaskSet:
    """Tasks that run until they are done, or until `cancel` is called."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._failures: list[Exception] = []

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run `work` in the background."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def cancel(self) -> None:
        """Cancel all tasks. Raises the errors of those that failed before, as one group."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for task in tasks:
            self._done(task)  # gather can return before the loop calls back
        failures, self._failures = self._failures, []
        if failures:
            raise ExceptionGroup("background tasks of the simulated kubelet failed", failures)

    def _done(self, task: asyncio.Task[None]) -> None:
        if task not in self._tasks:
            return
        self._tasks.remove(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):
            self._failures.append(error)
