"""The daemon as a process, with its log, below a kubelet directory of its own."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

RDMA_DP = str(Path(sys.executable).with_name("rdma-dp"))
Resource = Mapping[str, Any]  # one entry of configList

DEADLINE = 60.0  # seconds; software emulation is slow, and only a failure waits that long


class Daemon:
    """A running `rdma-dp run`. Its log goes to the test's output, too."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._log: list[str] = []
        self._grown = asyncio.Condition()

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    async def meanwhile(self, waiting: Coroutine[Any, Any, None]) -> None:
        """Wait for something that only a living daemon can bring about."""
        task = asyncio.create_task(waiting)
        ended = asyncio.create_task(self._process.wait())
        await asyncio.wait((task, ended), return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        if not task.done():
            task.cancel()
            raise AssertionError(f"the daemon ended with {self._process.returncode}")
        await task

    async def says(self, text: str) -> str:
        """The first line of the log with `text` in it, once there is one."""

        async def said() -> None:
            async with asyncio.timeout(DEADLINE), self._grown:
                await self._grown.wait_for(lambda: self._first(text))

        await self.meanwhile(said())
        return self._first(text) or ""

    async def read_log(self) -> None:
        """Take in the log to its end."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            sys.stdout.write(f"rdma-dp: {line.decode()}")
            async with self._grown:
                self._log.append(line.decode())
                self._grown.notify_all()

    async def stop(self) -> None:
        """What a node does to it: SIGTERM; it has to end in peace."""
        assert self.alive, "the daemon ended by itself"
        self._process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(DEADLINE):
            assert await self._process.wait() == 0

    def kill(self) -> None:
        if self.alive:
            self._process.kill()

    def _first(self, text: str) -> str | None:
        return next((line for line in self._log if text in line), None)


@asynccontextmanager
async def running_daemon(
    root: Path, registration: str, *resources: Resource
) -> AsyncIterator[Daemon]:
    """The daemon with these resources; kubelet's directories are below `root`."""
    config = root / "config.json"
    config.write_text(json.dumps({"periodicUpdateInterval": 1, "configList": resources}))
    process = await asyncio.create_subprocess_exec(
        *(RDMA_DP, "run", "--config-file", str(config), "--registration", registration),
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
