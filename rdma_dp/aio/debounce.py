"""Many events, one look: quiet for a moment, but never put off for long."""

import asyncio

# Seconds. Loading a driver makes dozens of events within a few milliseconds of each other; a storm
# of events (hundreds of VFs, thousands of pods) must not put the look off for ever.
QUIET = 0.1
LONGEST = 1.0


class Debounce:
    """`wake` says that something happened; `settled` returns when it is time to look."""

    def __init__(self, quiet: float = QUIET, longest: float = LONGEST) -> None:
        self._quiet = quiet
        self._longest = longest
        self._woken = asyncio.Event()
        self._at_once = False

    def wake(self) -> None:
        """Something happened somewhere. Callable from the event loop only."""
        self._woken.set()

    def wake_at_once(self) -> None:
        """Likewise, and no more of it is to be expected."""
        self._at_once = True
        self._woken.set()

    async def settled(self) -> None:
        """Returns after the first wake, once all is quiet or the longest wait is over."""
        await self._woken.wait()
        try:
            await self._quiet_or_overdue()
        except asyncio.CancelledError:
            # Whoever looks now may be too early for what has just begun to happen.
            self._woken.set()
            raise
        # Whatever comes from here on is news for the next look.
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
