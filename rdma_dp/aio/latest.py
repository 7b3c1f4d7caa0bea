"""The newest value of something, for any number of observers on one event loop."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Latest(Generic[T]):
    """Holds a value. An observer gets the newest value, and then each newer one.

    A slow observer skips values, but never the last one. There is no queue that can fill up, and
    the writer never waits for an observer.
    """

    def __init__(self, value: T) -> None:
        self._value = value
        self._changed = asyncio.Event()

    @property
    def value(self) -> T:
        """The newest value."""
        return self._value

    def set(self, value: T) -> None:
        """Replace the value and wake all observers."""
        self._value = value
        self._changed.set()
        self._changed = asyncio.Event()

    async def watch(self) -> AsyncIterator[T]:
        """The newest value at once, then again after every change. Never ends."""
        while True:
            changed = self._changed  # read before the value, so that no change is missed
            yield self._value
            await changed.wait()

    async def until(self, accept: Callable[[T], bool]) -> T:
        """Wait for a value for which `accept` returns true; the current one counts."""
        while not accept(self._value):
            await self._changed.wait()
        return self._value


async def first_of(*waits: Coroutine[Any, Any, R]) -> R:
    """The result of the first one that ends. The others are cancelled and awaited."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        first = next(task for task in tasks if task in done).result()
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    for end in ends:
        if isinstance(end, Exception):  # raised by a cancelled one while it cleaned up
            raise end
    return first
