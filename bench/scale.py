"""How much is measured: enough to compare, or just enough to see that it works."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """Bounds of every loop in the benchmark. `hcas` are the sizes of the stand-in hosts."""

    hcas: tuple[int, ...]
    scans: int  # of each host
    starts: int  # of each kind
    builds: int  # of what is made in the benchmark's own process: answers, lists, files
    calls: int  # of each kind, and of the echo beside it, for each host and concurrency
    allocations: int  # between the first look at the memory and the last
    idle: float  # seconds
    changes: int  # of what one host has
    restarts: int  # of kubelet, by each way and for each number of resources
    bursts: int  # of events, of each kind


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
)
