"""The daemon as a process, with its log and its own kubelet directory."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

RDMA_DP = str(Path(sys.executable).with_name("rdma-dp"))
DEADLINE = 120.0  # seconds; emulation is slow, and only a failing test waits that long


class Daemon:
    """A running `rdma-dp run`. Its log is in the test's output, too."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._log: list[str] = []
        self._heard = 0
        self._grown = asyncio.Condition()

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    async def meanwhile(self, waiting: Coroutine[Any, Any, None]) -> None:
        """Wait for something that only a running daemon can do."""
        task = asyncio.create_task(waiting)
        ended = asyncio.create_task(self._process.wait())
        await asyncio.wait((task, ended), return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        if not task.done():
            task.cancel()
            raise AssertionError(f"the daemon ended with {self._process.returncode}")
        await task

    async def says(self, text: str) -> str:
        """The next line of the log with `text` in it.

        Each call continues after the line that the last call returned.
        """

        async def said() -> bool:
            return self._next(text) is not None

        await self.meanwhile(self.log_grows_until(said))
        found = self._next(text)
        assert found is not None
        self._heard = found + 1
        return self._log[found]

    async def log_grows_until(self, reached: Callable[[], Awaitable[bool]]) -> None:
        """Check now and after each line. Raises TimeoutError."""
        async with asyncio.timeout(DEADLINE):
            while True:
                length = len(self._log)
                if await reached():
                    return
                await self._grown_beyond(length)

    def has_said(self, text: str) -> int:
        """How many lines of the log contain `text`."""
        return sum(text in line for line in self._log)

    async def read_log(self) -> None:
        """Read the log to its end."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            sys.stdout.write(f"rdma-dp: {line.decode()}")
            async with self._grown:
                self._log.append(line.decode())
                self._grown.notify_all()

    async def stop(self) -> None:
        """Send SIGTERM, as a node does. The daemon must exit with 0."""
        assert self.alive, "the daemon ended by itself"
        self._process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(DEADLINE):
            assert await self._process.wait() == 0

    def kill(self) -> None:
        if self.alive:
            self._process.kill()

    def pause(self) -> None:
        """Stop the process until `resume`. The kernel queues its events."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    async def _grown_beyond(self, length: int) -> None:
        async with self._grown:
            await self._grown.wait_for(lambda: len(self._log) > length)

    def _next(self, text: str) -> int | None:
        numbers = range(self._heard, len(self._log))
        return next((number for number in numbers if text in self._log[number]), None)


@asynccontextmanager
async def running_daemon(
    root: Path, config_file: Path, flags: Sequence[str] = (), wrapper: Sequence[str] = ()
) -> AsyncIterator[Daemon]:
    """The daemon with this config. kubelet's directories are below `root`.

    `wrapper` is a command in front of it, which executes it.
    """
    process = await asyncio.create_subprocess_exec(
        *(*wrapper, RDMA_DP, "run", "--config-file", str(config_file), *flags),
        *("--kubelet-root-dir", str(root), "--device-plugins-dir", str(root / "device-plugins")),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    daemon = Daemon(process)
    log = asyncio.create_task(daemon.read_log(), name="log of the daemon")
    try:
        yield daemon
        await daemon.stop()
    finally:
        daemon.kill()
        await log
