"""Combine many events into one: wait until they stop, but not for long."""

import asyncio

# Seconds. Loading a driver causes dozens of events within a few milliseconds. A long series of
# events (hundreds of VFs, thousands of pods) must not delay the scan for ever.
QUIET = 0.1
LONGEST = 1.0


class Debounce:
    """`wake` reports an event. `settled` returns when no more events follow for a moment."""

    def __init__(self, quiet: float = QUIET, longest: float = LONGEST) -> None:
        self._quiet = quiet
        self._longest = longest
        self._woken = asyncio.Event()
        self._at_once = False

    def wake(self) -> None:
        """Report an event. Call it from the event loop only."""
        self._woken.set()

    def wake_at_once(self) -> None:
        """Report an event after which no more events are expected: do not wait for more."""
        self._at_once = True
        self._woken.set()

    async def settled(self) -> None:
        """Wait for the first event, and then until events stop or `longest` seconds have passed."""
        await self._woken.wait()
        try:
            await self._quiet_or_overdue()
        except asyncio.CancelledError:
            # The event is not handled yet, so the next call must return for it.
            self._woken.set()
            raise
        # Events from here on are for the next call.
        self._woken.clear()
        self._at_once = False

    async def _quiet_or_overdue(self) -> None:
        deadline = asyncio.get_running_loop().time() + self._longest
        while not self._at_once:
            self._woken.clear()
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0 or not await self._woken_within(min(self._quiet, left)):
                break

    async def _woken_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            return False
        return True
