"""Processes that the benchmark starts, and their usage from /proc."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from rdma_dp.errors import RdmaDpError

TIMEOUT = 60.0  # seconds for each event that the benchmark waits for


class BenchError(RdmaDpError):
    """An event that the benchmark should measure did not happen."""


@dataclass(frozen=True, slots=True)
class Usage:
    """The usage of a thread, or of all threads of a process, since its start."""

    cpu: float  # seconds of CPU time
    wakeups: int  # voluntary context switches: a thread slept and was woken


Usages = Mapping[str, Usage]
"""By thread id."""


def used_between(before: Usages, after: Usages) -> Usage:
    """The usage of all threads between two readings.

    A thread that ends between them does not count.
    """
    nothing = Usage(0, 0)
    pairs = [(before.get(thread, nothing), usage) for thread, usage in after.items()]
    return Usage(
        cpu=sum(end.cpu - begin.cpu for begin, end in pairs),
        wakeups=sum(end.wakeups - begin.wakeups for begin, end in pairs),
    )


@dataclass(frozen=True, slots=True)
class Child:
    """A process that the benchmark started."""

    process: asyncio.subprocess.Process

    def memory(self) -> int:
        """VmRSS in KiB. It includes shared libraries in full."""
        return int(_status(self._proc)["VmRSS"].split()[0])

    def own_memory(self) -> int:
        """RssAnon in KiB: without files, of which the kernel drops pages when memory is short."""
        return int(_status(self._proc)["RssAnon"].split()[0])

    def highest_memory(self) -> int:
        """VmHWM in KiB: the most that VmRSS has been."""
        return int(_status(self._proc)["VmHWM"].split()[0])

    def cpu(self) -> float:
        """Seconds of CPU time, of threads that have ended too."""
        # The clock of another process: clock_getcpuclockid(3), MAKE_PROCESS_CPUCLOCK of the
        # kernel's include/linux/posix-timers.h with CPUCLOCK_SCHED.
        return time.clock_gettime(~self.process.pid << 3 | 2)

    def usages(self) -> Usages:
        """The usage of every thread."""
        tasks = (self._proc / "task").iterdir()
        return {task.name: usage for task in tasks if (usage := _usage(task)) is not None}

    def send(self, data: bytes) -> None:
        """Writes to the standard input of the process."""
        if self.process.stdin is None:
            raise BenchError("the process was started without standard input")
        self.process.stdin.write(data)

    async def send_evenly(self, data: bytes, seconds: float) -> None:
        """Writes a byte at a time, evenly over the time, even if sleeps take longer than asked."""
        begin = time.perf_counter()
        for number in range(len(data)):
            self.send(data[number : number + 1])
            ahead = begin + (number + 1) * seconds / len(data) - time.perf_counter()
            await asyncio.sleep(max(ahead, 0))

    async def ended(self) -> int:
        """Waits until the process exits by itself. Returns the exit code."""
        return await asyncio.wait_for(self.process.wait(), TIMEOUT)

    async def terminate(self) -> int:
        """Sends SIGTERM and waits. Returns the exit code."""
        self.process.terminate()
        return await self.ended()

    @property
    def _proc(self) -> Path:
        return Path("/proc", str(self.process.pid))


@asynccontextmanager
async def running(
    *arguments: str | os.PathLike[str], log: Path, environment: Mapping[str, str]
) -> AsyncIterator[Child]:
    """A Python process with these arguments. It is killed when the context ends.

    Its output goes to `log`.
    """
    command = (sys.executable, *arguments)
    async with running_program(*command, log=log, environment=environment) as child:
        yield child


@asynccontextmanager
async def running_program(
    *command: str | os.PathLike[str], log: Path, environment: Mapping[str, str]
) -> AsyncIterator[Child]:
    """As `running`, for any program."""
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command,
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
    """The usage of a thread; None if it is gone.

    schedstat counts nanoseconds. stat would count in ticks of 10 ms (proc_pid_stat(5)).
    """
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
