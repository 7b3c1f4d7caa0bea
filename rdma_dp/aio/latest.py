"""The newest value of something, for any number of observers on one event loop."""

import asyncio
import contextlib
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Generic, Protocol, TypeVar

T = TypeVar("T")
R = TypeVar("R")
T_co = TypeVar("T_co", covariant=True)


class Observable(Protocol[T_co]):
    """A value that changes, for readers.

    A slow observer skips values, but never the last one. There is no queue that can fill up, and
    the writer never waits for an observer.
    """

    @property
    def value(self) -> T_co:
        """The newest value."""

    def watch(self) -> AsyncIterator[T_co]:
        """The newest value at once, then again after every change. Never ends."""

    async def until(self, accept: Callable[[T_co], bool]) -> T_co:
        """The first value, from now on, that `accept` takes."""

    def follow(self, event: asyncio.Event) -> None:
        """Sets `event` at each change, for as long as the event is referred to."""


class Latest(Generic[T]):
    """An Observable and the only door to write it."""

    def __init__(self, value: T) -> None:
        self._value = value
        self._changed = asyncio.Event()
        self._followed = weakref.WeakSet[asyncio.Event]()

    @property
    def value(self) -> T:
        """The newest value."""
        return self._value

    def set(self, value: T) -> None:
        """Replace the value and wake all observers."""
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
            changed = self._changed  # read before the value, so that no change is missed
            yield self._value
            await changed.wait()

    async def until(self, accept: Callable[[T], bool]) -> T:
        """Wait for a value for which `accept` returns true; the current one counts."""
        while not accept(self._value):
            await self._changed.wait()
        return self._value


class Part(Generic[T, R]):
    """A part of an Observable, as an Observable of its own."""

    def __init__(self, whole: Observable[T], part: Callable[[T], R]) -> None:
        self._whole = whole
        self._part = part

    @property
    def value(self) -> R:
        """The part of the newest value."""
        return self._part(self._whole.value)

    async def watch(self) -> AsyncIterator[R]:
        """The newest part at once, then again after every change of the whole. Never ends."""
        async for whole in self._whole.watch():
            yield self._part(whole)

    async def until(self, accept: Callable[[R], bool]) -> R:
        """The first part, from now on, that `accept` takes."""
        return self._part(await self._whole.until(lambda whole: accept(self._part(whole))))

    def follow(self, event: asyncio.Event) -> None:
        """Sets `event` at each change of the whole, for as long as the event is referred to."""
        self._whole.follow(event)


async def changes(
    *observed: Observable[Any],
    pause: Callable[[], float | None] = lambda: None,
    settle: float = 0.0,
) -> AsyncIterator[None]:
    """Yields at once, and again after each change of any of these. Never ends.

    Yields also when nothing has changed for `pause()` seconds, if that is not None. `settle`:
    seconds after a change in which more changes count as the same one; `pause()` may end them.
    """
    changed = asyncio.Event()
    for each in observed:
        each.follow(changed)
    while True:
        changed.clear()  # before the values are read: no change falls between
        yield
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause()):
                await changed.wait()
                if settle:
                    await asyncio.sleep(settle)


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
