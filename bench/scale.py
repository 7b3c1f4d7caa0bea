"""The number of repetitions: enough to compare, or just enough to check the benchmark."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """The limits of all loops in the benchmark. `hcas` are the sizes of the simulated hosts."""

    hcas: tuple[int, ...]
    scans: int  # of each host
    starts: int  # of each kind
    builds: int  # of responses, lists and files in the benchmark's own process
    calls: int  # of each kind, and to the echo server, for each host and concurrency
    allocations: int  # between the first and the last reading of the memory
    idle: float  # seconds
    changes: int  # of one host's hardware
    restarts: int  # of kubelet, for each registration mode and number of resources
    bursts: int  # of events, of each kind
    scrapes: int  # of each host's metrics


FULL = Scale(
    hcas=(8, 64, 512),
    scans=9,
    starts=7,
    builds=25,
    calls=3000,
    allocations=10_000,
    idle=60.0,
    changes=200,
    restarts=100,
    bursts=6,
    scrapes=50,
)
QUICK = Scale(
    hcas=(8, 64),
    scans=2,
    starts=1,
    builds=2,
    calls=64,
    allocations=320,
    idle=1.0,
    changes=4,
    restarts=4,
    bursts=2,
    scrapes=3,
)
