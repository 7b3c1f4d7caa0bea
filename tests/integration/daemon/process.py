"""The daemon as a process, on a simulated host, with kubelet directories of its own."""

import asyncio
import json
import os
import signal
import stat
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from asyncinotify import Inotify, Mask

from rdma_dp.kubelet.api import deviceplugin_pb2_grpc as rpc
from simulator import host as simulated_host
from simulator.host import SimulatedHost

DEADLINE = 60.0  # seconds; only a failing test waits that long

NAME = "rdma/a"

WAYS = ["device-plugins", "plugins-registry"]  # of --registration

# A story with this mark runs on kubelet 1.36 and on 1.37.
BOTH_KUBELETS = pytest.mark.parametrize("per_path", [False, True], ids=["1.36", "1.37"])

Arguments = Sequence[str | os.PathLike[str]]


def entry(name: str = "a", slots: int = 4, **more: Any) -> dict[str, Any]:
    """One resource of a config: by default all HCAs of a made host."""
    chosen = {} if "selectors" in more else {"selectors": {"vendors": ["15b3"]}}
    return {"resourceName": name, "rdmaHcaMax": slots, **chosen, **more}


def healthy(count: int, of: int | None = None) -> Callable[[Any], bool]:
    """For SimulatedKubelet.wait_for: this number of devices is healthy, out of `of`."""
    total = count if of is None else of

    def holds(devices: Any) -> bool:
        return (list(devices.values()).count("Healthy"), len(devices)) == (count, total)

    return holds


class Daemon:
    """A running daemon and its log."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.log: list[str] = []
        self._grown = asyncio.Condition()

    async def read_log(self) -> None:
        """Read the log to its end."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            sys.stdout.write(f"rdma-dp: {line.decode()}")
            async with self._grown:
                self.log.append(line.decode().rstrip("\n"))
                self._grown.notify_all()
        async with self._grown:
            self.log.append("(the log ends)")
            self._grown.notify_all()

    async def says(self, *words: str, times: int = 1) -> str:
        """The line with all of these words, when there are as many such lines as wanted."""

        def found() -> list[str]:
            return [line for line in self.log if all(word in line for word in words)]

        def over() -> bool:
            return len(found()) >= times or self.log[-1:] == ["(the log ends)"]

        async with asyncio.timeout(DEADLINE), self._grown:
            await self._grown.wait_for(over)
        assert len(found()) >= times, f"the daemon ended without {words}"
        return found()[times - 1]

    def count(self, *words: str) -> int:
        return sum(all(word in line for word in words) for line in self.log)

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def ended(self) -> int:
        async with asyncio.timeout(DEADLINE):
            return await self.process.wait()

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Stop the daemon with a signal. It must exit with 0 and without a traceback."""
        assert self.process.returncode is None, "the daemon ended by itself"
        self.send(number)
        assert await self.ended() == 0
        await self.says("stopped")
        assert self.count("Traceback") == 0


class Node:
    """A host with HCAs, kubelet's directories (made by kubelet or by a test), and a config."""

    def __init__(self, directory: Path, host: simulated_host.Manifest | None = None) -> None:
        directory.mkdir(exist_ok=True)
        self.directory = directory
        self.kubelet_root = directory / "kubelet"
        self.device_plugins = self.kubelet_root / "device-plugins"
        self.plugins_registry = self.kubelet_root / "plugins_registry"
        self.config = directory / "config.json"
        self.cdi = directory / "cdi"
        self.device_info = directory / "devinfo"
        self.host: SimulatedHost = simulated_host.build(host or two_hcas(), directory / "host")

    @property
    def hcas(self) -> list[str]:
        return ["mlx5_0", "mlx5_1"]

    def unplug_all(self) -> None:
        for hca in self.hcas:
            self.host.unplug(hca)

    def plug_all(self) -> None:
        for hca in self.hcas:
            self.host.plug(hca)

    def configure(self, *entries: dict[str, Any], **top: Any) -> None:
        document = {"periodicUpdateInterval": 1, "configList": entries or [entry()], **top}
        fresh = self.config.with_suffix(".fresh")
        fresh.write_text(json.dumps(document))
        fresh.rename(self.config)

    @property
    def arguments(self) -> list[str]:
        """The options that point the daemon to this node."""
        return [
            *("--root", str(self.host.root), "--config-file", str(self.config)),
            *("--kubelet-root-dir", str(self.kubelet_root)),
            *("--cdi-dir", str(self.cdi), "--device-info-dir", str(self.device_info)),
        ]

    @asynccontextmanager
    async def daemon(self, *arguments: str) -> AsyncIterator[Daemon]:
        """Run `rdma-dp run` on this node. If the test does not stop it, SIGTERM does at the end."""
        if not self.config.exists():
            self.configure()
        async with self.daemon_without_config(*arguments) as daemon:
            yield daemon

    @asynccontextmanager
    async def daemon_without_config(self, *arguments: str) -> AsyncIterator[Daemon]:
        """The same where no config was written yet."""
        async with process("run", *self.arguments, *arguments) as daemon:
            yield daemon
            if daemon.process.returncode is None:
                await daemon.stop()

    def sockets(self) -> list[Path]:
        """All sockets except kubelet's, in both directories."""
        names = [*self.device_plugins.glob("*"), *self.device_plugins.glob(".*")]
        names += [*self.plugins_registry.glob("*"), *self.plugins_registry.glob(".*")]
        return sorted({path for path in names if _is_socket(path) and path.name != "kubelet.sock"})

    def visible_sockets(self) -> list[Path]:
        """Those that kubelet's plugin watcher takes if they are in its directory."""
        return [path for path in self.sockets() if not path.name.startswith(".")]


def two_hcas() -> simulated_host.Manifest:
    """mlx5_0 and mlx5_1, each on its own function."""
    return simulated_host.generate(2, others=0)


def _is_socket(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(path.lstat().st_mode)
    except FileNotFoundError:
        return False


@asynccontextmanager
async def process(
    *arguments: str | os.PathLike[str], entry_point: str = "rdma_dp.cli.main:main"
) -> AsyncIterator[Daemon]:
    """A process of rdma-dp with these arguments. It is killed at the end of the block."""
    module, _, function = entry_point.partition(":")
    code = f"import sys; from {module} import {function}; sys.exit({function}())"
    async with python(code, *arguments) as daemon:
        yield daemon


@asynccontextmanager
async def python(code: str, *arguments: str | os.PathLike[str]) -> AsyncIterator[Daemon]:
    """A Python process that runs `code`. It is killed at the end of the block."""
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code, *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    daemon = Daemon(started)
    log = asyncio.create_task(daemon.read_log(), name="log of the daemon")
    try:
        yield daemon
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()
        await log


async def appears(directory: Path, accept: Callable[[], bool]) -> None:
    """Wait until the names in a directory are the wanted ones."""
    with Inotify() as inotify:
        inotify.add_watch(directory, Mask.CREATE | Mask.DELETE | Mask.MOVE)
        async with asyncio.timeout(DEADLINE):
            while not accept():
                await inotify.get()


@asynccontextmanager
async def dialled(socket: Path) -> AsyncIterator[Any]:
    """A client of a plugin's socket, with its own connection."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(f"unix:{socket}", options=options) as channel:
        yield rpc.DevicePluginStub(channel)


@asynccontextmanager
async def listening(path: Path) -> AsyncIterator[None]:
    """A foreign server on a unix socket."""
    server = await asyncio.start_unix_server(lambda _, writer: writer.close(), path)
    try:
        yield
    finally:
        server.close()
        await server.wait_closed()
