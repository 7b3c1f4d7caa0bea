"""The record of events, and waits for events."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from simulator.kubelet.events import Event, Violated

SHOWN_AFTER_A_TIMEOUT = 15  # events


@dataclass(eq=False, slots=True)
class _Waiter:
    predicate: Callable[[], bool]
    reached: asyncio.Future[None]


class Journal:
    """An append-only record. Predicates are evaluated at every event, so no short-lived state is
    missed.
    """

    def __init__(self, on_event: Callable[[Event], None] | None = None) -> None:
        self.events: list[Event] = []
        self._on_event = on_event
        self._waiters: set[_Waiter] = set()

    @property
    def violations(self) -> list[str]:
        """The violations of the contract by plugins."""
        return [event.text for event in self.events if isinstance(event, Violated)]

    def record(self, event: Event) -> None:
        """Record `event`. The state that it describes must already be in effect."""
        self.events.append(event)
        if self._on_event:
            self._on_event(event)
        for waiter in list(self._waiters):
            _ask(waiter)

    async def wait_until(
        self, predicate: Callable[[], bool], seconds: float, seen: Callable[[], str]
    ) -> None:
        """Return when `predicate` is true. Raises TimeoutError with what was `seen` instead.

        Errors of `predicate` are raised here.
        """
        waiter = _Waiter(predicate, asyncio.get_running_loop().create_future())
        self._waiters.add(waiter)
        try:
            _ask(waiter)
            async with asyncio.timeout(seconds):
                await waiter.reached
        except TimeoutError:
            raise TimeoutError(self._timeout_text(seconds, seen())) from None
        finally:
            self._waiters.discard(waiter)

    def _timeout_text(self, seconds: float, seen: str) -> str:
        last = [str(event) for event in self.events[-SHOWN_AFTER_A_TIMEOUT:]]
        head = f"not reached in {seconds:g} s; seen: {seen}; the last events:"
        return "\n  ".join([head, *(last or ["none"])])


def _ask(waiter: _Waiter) -> None:
    if waiter.reached.done():
        return
    try:
        if waiter.predicate():
            waiter.reached.set_result(None)
    except Exception as error:  # noqa: BLE001 - it belongs to the one who waits
        waiter.reached.set_exception(error)
