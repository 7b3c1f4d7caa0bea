"""Where the benchmark works: stand-in hosts, a stand-in kubelet, and the real daemon between.

All of it lives in one temporary directory in memory, compiled bytecode included.
"""

import json
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

from bench.process import PATIENCE, BenchError, Child, running
from rdma_dp.latest import first_of
from rdma_dp.standin.host import StandinHost, build, generate
from rdma_dp.standin.kubelet import ListReceived, Registered, StandinKubelet

Json = dict[str, Any]

_REPOSITORY = Path(__file__).parent.parent
_FEW_SLOTS, _MANY_SLOTS = 63, 1000  # as the Go plugin was measured, up to 8 HCAs and above


@dataclass(frozen=True, slots=True)
class Daemon:
    """The daemon, registered, and all that is around it. Times are in seconds.

    `host` is None on the machine's own /sys.
    """

    child: Child
    kubelet: StandinKubelet
    host: StandinHost | None
    resources: tuple[str, ...]
    start_to_registered: float
    log: Path

    @property
    def socket(self) -> Path:
        """Where the first resource answers."""
        return next(event.socket for event in self.kubelet.events if isinstance(event, Registered))


class Workshop:
    """Makes hosts and daemons for as long as it is open."""

    def __init__(self) -> None:
        # The file system in memory, where there is one: a host is thousands of small files.
        memory = Path("/dev/shm")  # noqa: S108 - a directory of our own is made in it
        self._temporary = TemporaryDirectory(
            prefix="rdma-dp-bench-", dir=memory if memory.is_dir() else None
        )
        self._hosts: dict[int, StandinHost] = {}
        self._made = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._temporary.cleanup()

    @property
    def environment(self) -> Mapping[str, str]:
        """For processes: bytecode is compiled once, as in an image, but not into the sources."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        return {
            **kept,
            "PYTHONPATH": str(_REPOSITORY),
            "PYTHONPYCACHEPREFIX": f"{self._temporary.name}/bytecode",
        }

    async def compile(self) -> None:
        """Starts each daemon once, so that every start that is measured finds bytecode."""
        async with self.daemon(1), self.daemon_here():
            pass

    def directory(self) -> Path:
        """A new, empty directory."""
        self._made += 1
        made = Path(self._temporary.name, str(self._made))
        made.mkdir()
        return made

    def host(self, hcas: int) -> StandinHost:
        """A host with as many HCAs; it has no /dev, so nodes are not looked at."""
        if hcas not in self._hosts:
            self._hosts[hcas] = build(generate(hcas), self.directory() / "host")
        return self._hosts[hcas]

    @asynccontextmanager
    async def daemon(
        self,
        hcas: int,
        *,
        resources: int = 1,
        way: str = "device-plugins",
        environment: Mapping[str, str] | None = None,
    ) -> AsyncIterator[Daemon]:
        """The daemon on a host with `hcas` HCAs, which its resources share evenly.

        The context begins when kubelet holds the full list of every resource.
        """
        config, slots = _config(hcas, resources), _slots(hcas)

        def complete(kubelet: StandinKubelet) -> bool:
            return all(kubelet.allocatable(name) == slots for name in _names(config))

        host = self.host(hcas)
        arguments = ("--root", str(host.root), "--registration", way)
        async with self._run(config, arguments, complete, environment or {}) as started:
            yield replace(started, host=host)

    @asynccontextmanager
    async def daemon_here(self) -> AsyncIterator[Daemon]:
        """The daemon on this very machine, whatever HCAs it has, so that RDMA netlink is loaded."""
        config = _config(8, 1)

        def listed(kubelet: StandinKubelet) -> bool:
            return any(isinstance(event, ListReceived) for event in kubelet.events)

        arguments = ("--registration", "device-plugins")
        async with self._run(config, arguments, listed, {}) as started:
            yield started

    @asynccontextmanager
    async def _run(
        self,
        config: Json,
        arguments: tuple[str, ...],
        ready: Callable[[StandinKubelet], bool],
        environment: Mapping[str, str],
    ) -> AsyncIterator[Daemon]:
        directory = self.directory()
        config_file, log = directory / "config.json", directory / "log"
        config_file.write_text(json.dumps(config))
        async with StandinKubelet(directory / "kubelet") as kubelet:
            begin = time.perf_counter()
            async with running(
                *("-m", "rdma_dp", "run", *arguments),
                *("--config-file", config_file, "--kubelet-root-dir", kubelet.root),
                log=log,
                environment={**self.environment, **environment},
            ) as child:
                await _ready(kubelet, ready, child, log)
                taken = time.perf_counter() - begin
                yield Daemon(child, kubelet, None, _names(config), taken, log)


async def _ready(
    kubelet: StandinKubelet, ready: Callable[[StandinKubelet], bool], child: Child, log: Path
) -> None:
    """Until kubelet is ready. Raises BenchError with the log where that cannot be any more."""

    async def waited() -> str:
        await kubelet.wait_until(ready, PATIENCE)
        return ""

    async def ended() -> str:
        return f"the daemon ended with exit code {await child.process.wait()}"

    try:
        failure = await first_of(waited(), ended())
    except TimeoutError as error:
        failure = str(error)
    if failure:
        raise BenchError(f"{failure}\nIts log:\n{_read(log)}")


def _read(log: Path) -> str:
    return log.read_text(errors="replace")


def _config(hcas: int, resources: int) -> Json:
    """One resource takes all HCAs; several take them in turn."""
    return {
        "periodicUpdateInterval": 60,
        "configList": [
            {
                "resourceName": f"shared_{number}",
                "rdmaHcaMax": _slots(hcas),
                "selectors": {"ifNames": [f"eth{n}" for n in range(number, hcas, resources)]}
                if resources > 1
                else {"vendors": ["15b3"]},
            }
            for number in range(resources)
        ],
    }


def _slots(hcas: int) -> int:
    return _FEW_SLOTS if hcas <= 8 else _MANY_SLOTS


def _names(config: Json) -> tuple[str, ...]:
    return tuple(f"rdma/{resource['resourceName']}" for resource in config["configList"])
