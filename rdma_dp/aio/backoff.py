"""Delays between attempts."""

import random
import time
from collections.abc import Callable

_FIRST = 0.2  # seconds
_LONGEST = 30.0
_STEADY = 60.0  # after an attempt that lasted this long, delays are short again


class Backoff:
    """Delays that double, with jitter, so that two plugins do not retry at the same time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next = _FIRST
        self._last = clock()

    def delay(self) -> float:
        """The delay before the next attempt, in seconds. Call it once for each attempt."""
        now = self._clock()
        if now - self._last > self._next + _STEADY:
            self._next = _FIRST
        self._last = now
        delay = self._next * random.uniform(0.75, 1.25)  # noqa: S311 - no secret
        self._next = min(self._next * 2, _LONGEST)
        return delay

    def reset(self) -> None:
        """Start again with the shortest delay: an attempt was successful."""
        self._next = _FIRST
