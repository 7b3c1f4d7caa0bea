"""The newest value of something, for any number of observers on one event loop."""

import asyncio
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Latest(Generic[T]):
    """Holds a value; whoever watches gets the newest one, then each newer one.

    An observer that is slow skips values in between but never the last: there is no queue that
    could fill up, and no reader whose absence could block the writer.
    """

    def __init__(self, value: T) -> None:
        self._value = value
        self._changed = asyncio.Event()
        self._followed = weakref.WeakSet[asyncio.Event]()

    @property
    def value(self) -> T:
        """The newest value."""
        return self._value

    def set(self, value: T) -> None:
        """Replaces the value and wakes everybody who waits for a change."""
        self._value = value
        self._changed.set()
        self._changed = asyncio.Event()
        for event in [*self._followed]:
            event.set()

    def follow(self, event: asyncio.Event) -> None:
        """Sets `event` at each change, for as long as the event is referred to."""
        self._followed.add(event)

    async def watch(self) -> AsyncIterator[T]:
        """The newest value at once, then again after every change. Never ends."""
        while True:
            changed = self._changed  # taken before the value is: no change falls between
            yield self._value
            await changed.wait()

    async def until(self, accept: Callable[[T], bool]) -> T:
        """The first value, from now on, that `accept` takes."""
        while not accept(self._value):
            await self._changed.wait()
        return self._value


async def changes(*observed: Latest[Any]) -> AsyncIterator[None]:
    """Yields at once, and again after each change of any of these. Never ends."""
    changed = asyncio.Event()
    for each in observed:
        each.follow(changed)
    while True:
        changed.clear()  # before the values are read: no change falls between
        yield
        await changed.wait()


async def first_of(*waits: Coroutine[Any, Any, R]) -> R:
    """The result of whichever ends first; the others are cancelled and awaited."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        first = next(task for task in tasks if task in done).result()
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    for end in ends:
        if isinstance(end, Exception):  # what a loser failed with while it cleaned up
            raise end
    return first
