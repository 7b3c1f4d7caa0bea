"""The driver is killed before one of its system calls, which strace names (strace(1), --inject).

The product has no code for it. The call before which it is killed has no effect any more.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.heavy.dra.dra_cluster import CLAIM_FILES, SPECS, DraCluster
from tests.heavy.node.process import Process, wait_until

LOCK = CLAIM_FILES.parent / "lock"


@dataclass(frozen=True)
class Step:
    """A system call of the driver for a path: of one thread, the one with this number."""

    call: str
    path: Path
    number: int = 1


# What is done before each call. rdma_dp/kubelet/dra/claim_store.py has the steps.
PREPARE = {
    "nothing is read": Step("openat", LOCK),
    "the claim was read": Step("openat", CLAIM_FILES),
    "the claim file has its temporary name": Step("renameat", CLAIM_FILES),
    "the claim file is written": Step("fsync", CLAIM_FILES),
    "the spec has its temporary name": Step("renameat", SPECS),
    "the spec is written": Step("fsync", SPECS),
    "everything is written": Step("close", SPECS, 2),
}
UNPREPARE = {
    "nothing is read": Step("openat", LOCK),
    "the spec is found": Step("unlinkat", SPECS),
    "the spec is removed": Step("fsync", SPECS),
    "the claim file is found": Step("unlinkat", CLAIM_FILES),
    "the claim file is removed": Step("fsync", CLAIM_FILES),
    "everything is removed": Step("close", LOCK),
}


@contextmanager
def killed_before(cluster: DraCluster, step: Step) -> Iterator[None]:
    """The block makes the driver take the step. Waits until it was killed and runs again."""
    cluster.settled()
    restarts = cluster.restarts()
    inject = f"{step.call}:signal=KILL:when={step.number}"
    where = ("--trace-path", str(step.path), "--inject", inject)
    strace = Process("strace", ("strace", "--follow-forks", *where, "--attach", str(cluster.pid())))
    try:
        wait_until(lambda: "attached" in strace.said)
        yield
        wait_until(lambda: not strace.runs)
    finally:
        strace.end()
    assert strace.said.count(f"{step.call}(") >= step.number
    assert "killed by SIGKILL" in strace.said
    wait_until(cluster.restarts, restarts.__lt__)


@contextmanager
def lock_held() -> Iterator[None]:
    """Holds the lock of the claims in place of the driver."""
    with LOCK.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def locks(pid: int) -> bool:
    """Whether a process has the file of the lock open: it waits for the lock, or holds it."""
    return any(_target(each) == str(LOCK) for each in Path("/proc", str(pid), "fd").iterdir())


def _target(descriptor: Path) -> str:
    try:
        return str(descriptor.readlink())
    except FileNotFoundError:  # closed since
        return ""
