"""How long to wait before trying again."""

import random
import time
from collections.abc import Callable

_FIRST = 0.2  # seconds
_LONGEST = 30.0
_STEADY = 60.0  # an attempt that held this long was a success: begin again with short waits


class Backoff:
    """Doubling waits with jitter, so that two plugins that disturb each other drift apart."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next = _FIRST
        self._last = clock()

    def delay(self) -> float:
        """Seconds to wait now; each call promises another attempt after it."""
        now = self._clock()
        if now - self._last > self._next + _STEADY:
            self._next = _FIRST
        self._last = now
        delay = self._next * random.uniform(0.75, 1.25)  # noqa: S311 - no secret
        self._next = min(self._next * 2, _LONGEST)
        return delay

    def reset(self) -> None:
        """What was waited for has happened."""
        self._next = _FIRST
