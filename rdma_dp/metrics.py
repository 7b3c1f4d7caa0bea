"""Plain counters of what the daemon does, without a library.

The code that does something counts it here. The event loop and its threads write, and a scrape
reads in a thread of its own. It never sees half a value: what grows in place has a lock, and the
rest is replaced as a whole.
"""

import time
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock

Labels = tuple[str, ...]

# Upper bounds of the histogram of durations, in seconds. Allocate takes milliseconds, and kubelet
# waits for it without a deadline (kubelet pkg/kubelet/cm/devicemanager/endpoint.go).
BOUNDS = (0.001, 0.01, 0.1, 1.0, 10.0)


class Tally:
    """A number for each combination of label values. It only grows."""

    def __init__(self) -> None:
        self._counts: dict[Labels, float] = {}
        self._lock = Lock()

    def add(self, *labels: str, by: float = 1) -> None:
        """Adds `by` to the number of these label values."""
        with self._lock:
            self._counts[labels] = self._counts.get(labels, 0) + by

    @property
    def values(self) -> Mapping[Labels, float]:
        """A copy of all numbers, by their label values."""
        with self._lock:
            return dict(self._counts)


@dataclass(frozen=True, slots=True)
class Histogram:
    """Durations in seconds: how many fell into each range of BOUNDS and above, and their sum."""

    counts: tuple[int, ...] = (0,) * (len(BOUNDS) + 1)
    total: float = 0.0


class _Growing:
    """A histogram that grows in place."""

    def __init__(self) -> None:
        self._counts = [*Histogram().counts]
        self._total = 0.0

    def add(self, seconds: float) -> None:
        self._counts[bisect_left(BOUNDS, seconds)] += 1
        self._total += seconds

    @property
    def value(self) -> Histogram:
        return Histogram(tuple(self._counts), self._total)


class Durations:
    """A histogram for each combination of label values."""

    def __init__(self) -> None:
        self._histograms: dict[Labels, _Growing] = {}
        self._lock = Lock()

    def add(self, *labels: str, seconds: float) -> None:
        """Adds one duration."""
        with self._lock:
            self._histograms.setdefault(labels, _Growing()).add(seconds)

    @property
    def values(self) -> Mapping[Labels, Histogram]:
        """A copy of all histograms, by their label values."""
        with self._lock:
            return {labels: each.value for labels, each in self._histograms.items()}


@dataclass(frozen=True, slots=True)
class Allocations:
    """The Allocate calls for one resource.

    `results` counts them by their result: ok, unknown-slot, no-hca, error. `slots` is how many
    slots were handed out.
    """

    results: Mapping[str, int]
    slots: int
    seconds: Histogram


class AllocationTally:
    """Counts the Allocate calls for one resource.

    One method counts a call: three separate counters would take longer than to find a kept answer.
    """

    def __init__(self) -> None:
        self._results: dict[str, int] = {}
        self._slots = 0
        self._seconds = _Growing()
        self._lock = Lock()

    def add(self, result: str, seconds: float, slots: int = 0) -> None:
        """Adds one call that took `seconds` and handed out `slots`."""
        with self._lock:
            self._results[result] = self._results.get(result, 0) + 1
            self._slots += slots
            self._seconds.add(seconds)

    @property
    def value(self) -> Allocations:
        """All calls so far."""
        with self._lock:
            return Allocations(dict(self._results), self._slots, self._seconds.value)


class Levels:
    """A number for each value of a label, which can rise and fall."""

    def __init__(self) -> None:
        self._values: dict[str, float] = {}

    def set(self, label: str, number: float) -> None:
        """Replaces the number of this label value."""
        self._values = {**self._values, label: number}

    @property
    def values(self) -> Mapping[str, float]:
        """The newest numbers."""
        return self._values


@dataclass(slots=True)
class ConfigFacts:
    """Whether the config file that is there now is valid, and since when a config is in force.

    `valid` is None until a config was read. `loaded_at` is in seconds since 1970.
    """

    valid: bool | None = None
    loaded_at: float | None = None

    def accepted(self) -> None:
        """A good config was read."""
        self.valid, self.loaded_at = True, time.time()


@dataclass(slots=True)
class ScanFacts:
    """How scans go. `succeeded_at` is in seconds since 1970, `seconds` is the last duration.

    `hanging` is whether a read takes longer than the log's limit at this moment.
    """

    succeeded_at: float | None = None
    seconds: float | None = None
    hanging: bool = False


@dataclass(slots=True)
class SliceFacts:
    """What the API server has of our ResourceSlices.

    `published` is their number, None until the API server has answered. `current` is whether they
    are what the node offers, and `once_current` whether they ever were.
    `lacking_gates` are the feature gates without which devices are left out. `problem` is why the
    slices cannot be read or written, None if they can.
    """

    published: int | None = None
    devices: int = 0
    current: bool = False
    once_current: bool = False
    problem: str | None = None
    lacking_gates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Metrics:
    """Everything that the daemon counts, with the labels of each in parentheses.

    `scans` (result: ok, error); `registrations` (resource); `registrations_lost` (resource,
    reason); `allocations`, by resource; `links_set_up` (none);
    `port_changes` (device, port): changes of a port's state; `hca_changes` (change: added,
    removed); `slices`, by driver; `slice_writes` (verb: create, update, delete; result: ok,
    error); `api_errors` (kind, see api_server/api_errors.py): requests to the API server that
    failed, each try counts.
    `claim_prepares` (driver, result: ok, refused, api-server, error); `claim_unprepares` (driver,
    result: ok, error); `claim_prepare_seconds` (driver); `claims` (driver): those that are
    prepared; `claims_released` (driver): those that kubelet had forgotten; `claims_stuck` (driver):
    those of them that cannot be released.
    """

    config: ConfigFacts = field(default_factory=ConfigFacts)
    scan: ScanFacts = field(default_factory=ScanFacts)
    scans: Tally = field(default_factory=Tally)
    registrations: Tally = field(default_factory=Tally)
    registrations_lost: Tally = field(default_factory=Tally)
    allocations: dict[str, AllocationTally] = field(default_factory=dict)
    links_set_up: Tally = field(default_factory=Tally)
    port_changes: Tally = field(default_factory=Tally)
    hca_changes: Tally = field(default_factory=Tally)
    slices: dict[str, SliceFacts] = field(default_factory=dict)
    slice_writes: Tally = field(default_factory=Tally)
    api_errors: Tally = field(default_factory=Tally)
    claim_prepares: Tally = field(default_factory=Tally)
    claim_unprepares: Tally = field(default_factory=Tally)
    claim_prepare_seconds: Durations = field(default_factory=Durations)
    claims: Levels = field(default_factory=Levels)
    claims_released: Tally = field(default_factory=Tally)
    claims_stuck: Levels = field(default_factory=Levels)

    def slices_of(self, driver: str) -> SliceFacts:
        """What the API server has of a driver's slices. After a rename there are two drivers."""
        return self.slices.setdefault(driver, SliceFacts())

    def allocations_of(self, resource: str) -> AllocationTally:
        """The Allocate calls for a resource. They go on when it comes back after it was gone."""
        return self.allocations.setdefault(resource, AllocationTally())
