"""Processes that the benchmark starts, and what /proc says of them."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from rdma_dp.errors import RdmaDpError

PATIENCE = 60.0  # seconds until something that should happen counts as failed


class BenchError(RdmaDpError):
    """Something that was to be measured did not happen."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a thread, or all threads of a process together, have used since they began."""

    cpu: float  # seconds on a core
    wakeups: int  # voluntary context switches: each is a thread that slept and was woken


Usages = Mapping[str, Usage]
"""By thread id."""


def used_between(before: Usages, after: Usages) -> Usage:
    """What all threads used; the last moments of one that ended meanwhile are lost."""
    nothing = Usage(0, 0)
    pairs = [(before.get(thread, nothing), usage) for thread, usage in after.items()]
    return Usage(
        cpu=sum(end.cpu - begin.cpu for begin, end in pairs),
        wakeups=sum(end.wakeups - begin.wakeups for begin, end in pairs),
    )


@dataclass(frozen=True, slots=True)
class Child:
    """A process of ours."""

    process: asyncio.subprocess.Process

    def memory(self) -> int:
        """VmRSS in KiB: shared libraries count in full."""
        return int(_status(self._proc)["VmRSS"].split()[0])

    def usages(self) -> Usages:
        """What every thread has used."""
        tasks = (self._proc / "task").iterdir()
        return {task.name: usage for task in tasks if (usage := _usage(task)) is not None}

    def tell(self, data: bytes) -> None:
        """Writes to its standard input."""
        if self.process.stdin is None:
            raise BenchError("the process was started without standard input")
        self.process.stdin.write(data)

    async def ended(self) -> int:
        """The exit code, once it has ended by itself."""
        return await asyncio.wait_for(self.process.wait(), PATIENCE)

    async def terminate(self) -> int:
        """The exit code after SIGTERM."""
        self.process.terminate()
        return await self.ended()

    @property
    def _proc(self) -> Path:
        return Path("/proc", str(self.process.pid))


@asynccontextmanager
async def running(
    *arguments: str | os.PathLike[str], log: Path, environment: Mapping[str, str]
) -> AsyncIterator[Child]:
    """A Python process with these arguments; it is gone when the context ends, whatever happens.

    What it writes goes to `log`.
    """
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, *arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=output,
            stderr=output,
            env=environment,
        )
    try:
        yield Child(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def _usage(task: Path) -> Usage | None:
    """None for a thread that is gone. schedstat counts nanoseconds, where stat has 10 ms ticks."""
    try:
        nanoseconds = int((task / "schedstat").read_text().split()[0])
        return Usage(nanoseconds / 1e9, int(_status(task)["voluntary_ctxt_switches"]))
    except (FileNotFoundError, ProcessLookupError):
        return None


def _status(directory: Path) -> dict[str, str]:
    return dict(_fields((directory / "status").read_text()))


def _fields(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        name, _, value = line.partition(":")
        yield name, value.strip()
