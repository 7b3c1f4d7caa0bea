"""The benchmark's environment: simulated hosts, a simulated kubelet and the real daemon.

All files are in one temporary directory in memory, with the compiled bytecode.
"""

import json
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.process import TIMEOUT, BenchError, Child, running
from bench.sharing import Sharing
from rdma_dp import config, discovery
from rdma_dp.aio.latest import first_of
from rdma_dp.host.files import Host
from rdma_dp.sharing.pool import Pool, make_pools
from simulator.api_server import FakeApiServer
from simulator.host import SimulatedHost, build, generate
from simulator.kubelet import Claim, ListReceived, Registered, SimulatedKubelet
from simulator.scratch import scratch

Known = Callable[[SimulatedKubelet], bool]
"""Whether kubelet has received what the benchmark waits for."""

NODE = "node-1"
DRIVER = "hca.rdma-dp.dev"

_DAEMON = ("-m", "rdma_dp", "run")
_REPOSITORY = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Daemon:
    """A registered daemon with its kubelet and its log. Times are in seconds.

    `complete` is whether kubelet has all slots of all resources.
    """

    child: Child
    kubelet: SimulatedKubelet
    resources: tuple[str, ...]
    complete: Known
    start_to_registered: float
    log: Path

    def first_gone(self, kubelet: SimulatedKubelet) -> bool:
        """Whether kubelet has no allocatable slot of the first resource."""
        return kubelet.allocatable(self.resources[0]) == 0

    async def until(self, known: Known) -> None:
        """Waits for kubelet. Raises BenchError on a timeout or if the daemon exits."""
        await _until(known, self.kubelet, self.child, self.log)

    @property
    def socket(self) -> Path:
        """The socket of the first resource."""
        return next(event.socket for event in self.kubelet.events if isinstance(event, Registered))


@dataclass(frozen=True, slots=True)
class DraDaemon:
    """A daemon whose resources are via DRA, with its kubelet and its API server.

    `environment` has the variables that point a process to the API server.
    `registered_to_published` is in seconds, and 0 if the slice was there before.
    """

    child: Child
    kubelet: SimulatedKubelet
    api: FakeApiServer
    environment: Mapping[str, str]
    registered_to_published: float

    def claim(self, name: str, device: str) -> Claim:
        """A new claim with one share of a device."""
        result = {
            "request": "hca",
            "driver": DRIVER,
            "pool": NODE,
            "device": device,
            "shareID": f"share-{name}",
        }
        stored = self.api.add(
            "resourceclaims",
            {
                "metadata": {"name": name, "namespace": "default"},
                "status": {"allocation": {"devices": {"results": [result]}}},
            },
        )
        return Claim("default", name, stored["metadata"]["uid"])


def environment_with(bytecode: Path) -> Mapping[str, str]:
    """The environment of measured processes, without settings of the caller's Python."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**kept, "PYTHONPATH": str(_REPOSITORY), "PYTHONPYCACHEPREFIX": str(bytecode)}


class Workshop:
    """Creates hosts and daemons. It removes their files when its context ends."""

    def __init__(self) -> None:
        self._temporary = scratch("rdma-dp-bench-")
        self._hosts: dict[tuple[int, bool], SimulatedHost] = {}
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
        """The environment of processes. Bytecode is compiled once, outside the source directory."""
        return environment_with(Path(self._temporary.name, "bytecode"))

    async def compile(self) -> None:
        """Starts each kind of daemon once, so that measured starts find compiled bytecode."""
        async with self.daemon(Sharing(1)), self.daemon_here():
            pass

    def directory(self) -> Path:
        """A new, empty directory."""
        self._made += 1
        made = Path(self._temporary.name, str(self._made))
        made.mkdir()
        return made

    def host(self, hcas: int, *, counters: bool = False) -> SimulatedHost:
        """A host with this many HCAs. It has no /dev, so device nodes are not checked."""
        if (hcas, counters) not in self._hosts:
            manifest = generate(hcas, counters=counters)
            self._hosts[hcas, counters] = build(manifest, self.directory() / "host")
        return self._hosts[hcas, counters]

    def pool(self, sharing: Sharing) -> Pool:
        """The pool of the first resource, made in this process."""
        inventory = discovery.scan(Host(self.host(sharing.hcas).root))
        parsed = config.parse(json.dumps(sharing.config)).config
        return make_pools(parsed, inventory)[0]

    @asynccontextmanager
    async def daemon(
        self,
        sharing: Sharing,
        *,
        mode: str = "device-plugins",
        environment: Mapping[str, str] | None = None,
        metrics: str | None = None,
    ) -> AsyncIterator[Daemon]:
        """The daemon on `host(sharing.hcas)`, with counters if it serves metrics at an address.

        The context begins when kubelet holds the full list of every resource.
        """
        root = self.host(sharing.hcas, counters=metrics is not None).root
        served = ("--metrics", metrics) if metrics else ()
        command = (*_DAEMON, "--root", str(root), "--registration", mode, *served)
        async with self._run(sharing, command, sharing.complete, environment or {}) as started:
            yield started

    @asynccontextmanager
    async def dra_daemon(self, sharing: Sharing) -> AsyncIterator[DraDaemon]:
        """The daemon on `host(sharing.hcas)`, when it is registered and its slice is published."""

        def registered(kubelet: SimulatedKubelet) -> bool:
            return kubelet.drivers.newest(DRIVER) is not None

        command = (*_DAEMON, "--root", str(self.host(sharing.hcas).root))
        async with FakeApiServer() as api:
            api.add_node(NODE)
            environment = {**api.environment(self.directory() / "account"), "NODE_NAME": NODE}
            async with self._run(sharing, command, registered, environment) as started:
                registered_at = time.perf_counter()
                early = len(api.devices()) == sharing.hcas
                await api.until(lambda: len(api.devices()) == sharing.hcas)
                late = 0.0 if early else time.perf_counter() - registered_at
                yield DraDaemon(started.child, started.kubelet, api, environment, late)

    @asynccontextmanager
    async def woken_daemon(self, sharing: Sharing) -> AsyncIterator[Daemon]:
        """The daemon of bench/woken.py: each byte that is sent to its process is an event."""
        command = ("-m", "bench.woken", "--root", str(self.host(sharing.hcas).root))
        async with self._run(sharing, command, sharing.complete, {}) as started:
            yield started

    @asynccontextmanager
    async def daemon_here(self) -> AsyncIterator[Daemon]:
        """The daemon on this machine's own hardware, so that RDMA netlink is loaded."""

        def listed(kubelet: SimulatedKubelet) -> bool:
            return any(isinstance(event, ListReceived) for event in kubelet.events)

        command = (*_DAEMON, "--registration", "device-plugins")
        async with self._run(Sharing(8), command, listed, {}) as started:
            yield started

    @asynccontextmanager
    async def _run(
        self,
        sharing: Sharing,
        command: tuple[str, ...],
        complete: Known,
        environment: Mapping[str, str],
    ) -> AsyncIterator[Daemon]:
        directory = self.directory()
        config_file, log = directory / "config.json", directory / "log"
        config_file.write_text(json.dumps(sharing.config))
        async with SimulatedKubelet(directory / "kubelet") as kubelet:
            begin = time.perf_counter()
            async with running(
                *command,
                *("--config-file", config_file, "--kubelet-root-dir", kubelet.root),
                *("--cdi-dir", directory / "cdi", "--device-info-dir", directory / "devinfo"),
                log=log,
                environment={**self.environment, **environment},
            ) as child:
                await _until(complete, kubelet, child, log)
                taken = time.perf_counter() - begin
                yield Daemon(child, kubelet, sharing.names, complete, taken, log)


async def _until(known: Known, kubelet: SimulatedKubelet, child: Child, log: Path) -> None:
    """Waits. Raises BenchError with the log on a timeout or if the daemon exits."""

    async def waited() -> str:
        await kubelet.wait_until(known, TIMEOUT)
        return ""

    async def ended() -> str:
        return f"the daemon exited with code {await child.process.wait()}"

    try:
        failure = await first_of(waited(), ended())
    except TimeoutError as error:
        failure = str(error)
    if failure:
        raise BenchError(f"{failure}\nIts log:\n{_read(log)}")


def _read(log: Path) -> str:
    return log.read_text(errors="replace")
