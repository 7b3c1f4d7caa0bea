"""How often the ResourceSlices may be written. Pure, with a clock from outside.

- One pass of writes a second.
- One pass of writes that only change taints in ten seconds: a link that flaps is no reason to load
  the API server of a large cluster.
- What another process undid is written again at once, because kubelet deletes all slices of its
  node when it starts. If it is undone again, each write waits longer: two installations may have
  different configs.
- Each try after a failure waits longer, or for the delay that the server asks for.
"""

from rdma_dp.aio.backoff import Backoff
from rdma_dp.api_server.api_errors import ApiError, ConflictError

_INTERVAL = 1.0  # seconds
_TAINT_INTERVAL = 10.0
_REFUSED_INTERVAL = 60.0  # after an error that the same request will meet again, as of RBAC
_CALM = 60.0  # seconds after which a slice that is undone counts as the first one


class Pacing:
    """When the next pass of writes may begin. Times are in seconds on one clock."""

    def __init__(
        self, interval: float = _INTERVAL, taint_interval: float = _TAINT_INTERVAL
    ) -> None:
        self._interval = interval
        self._taint_interval = taint_interval
        self._next = 0.0
        self._next_of_taints = 0.0
        self._undone_at: float | None = None
        self._not_before = 0.0
        self._undone = Backoff()
        self._failed = Backoff()

    def due(self, *, only_taints: bool) -> float:
        """When a pass may begin."""
        own = self._next_of_taints if only_taints else self._next
        return max(own, self._next, self._not_before)

    def wrote(self, now: float, *, taints: bool) -> None:
        """A pass was written. `taints`: it changed taints."""
        self._next = now + self._interval
        if taints:
            self._next_of_taints = now + self._taint_interval
        self._failed.reset()

    def at_once(self) -> None:
        """The next pass must not wait: what was written must not stay."""
        self._next = self._next_of_taints = 0.0

    def undone(self, now: float) -> None:
        """Another process changed or deleted what was written, and nothing new is wanted."""
        if self._undone_at is None or now - self._undone_at > _CALM:
            self._undone.reset()
            self._next = min(self._next, now)
        else:
            self._not_before = now + self._undone.delay()
        self._undone_at = now

    def failed(self, now: float, error: ApiError) -> None:
        """A request failed."""
        soon = error.passing or isinstance(error, ConflictError)
        delay = self._failed.delay() if soon else _REFUSED_INTERVAL
        self._not_before = now + max(delay, error.retry_after or 0.0)
