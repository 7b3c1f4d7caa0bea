"""The two plugins, started in the same way."""

import json
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.duel.namespaces import KUBELET, PCI_IDS, on
from bench.process import BenchError, Child, running_program
from bench.sharing import FEW_SLOTS, MANY_SLOTS
from simulator.host import SimulatedHost
from simulator.kubelet import Registered, SimulatedKubelet

RESOURCE = "rdma/duel"

_TIMEOUT = 120.0  # seconds
_CONFIG = Path("/mnt/config.json")
_LOG = Path("/mnt/log")


@dataclass(frozen=True, slots=True)
class Contender:
    """A plugin: its name in the table, and the command that starts it."""

    name: str
    command: tuple[str, ...]


def contenders(go_plugin: Path) -> tuple[Contender, Contender]:
    """The Go plugin and rdma-dp."""
    ours = (sys.executable, "-m", "rdma_dp", "run", "--registration", "device-plugins")
    return (
        Contender("Go", (str(go_plugin), str(_CONFIG))),
        Contender("ours", (*ours, "--config-file", str(_CONFIG))),
    )


@dataclass(frozen=True, slots=True)
class Started:
    """A plugin that has registered. `took` is the time from exec to the full list, in seconds."""

    child: Child
    kubelet: SimulatedKubelet
    slots: int
    took: float

    @property
    def socket(self) -> Path:
        """The newest socket of the plugin."""
        found = [event.socket for event in self.kubelet.events if isinstance(event, Registered)]
        return found[-1]

    async def complete(self) -> None:
        """Waits until kubelet has the full list."""
        await self.kubelet.wait_until(lambda it: it.allocatable(RESOURCE) == self.slots, _TIMEOUT)


@asynccontextmanager
async def started(
    contender: Contender,
    host: SimulatedHost,
    hcas: int,
    interval: int,
    environment: Mapping[str, str],
) -> AsyncIterator[Started]:
    """The plugin on the host. It scans every `interval` seconds. It is killed at the end."""
    slots = FEW_SLOTS if hcas <= 8 else MANY_SLOTS
    _configure(slots, interval)
    async with SimulatedKubelet(KUBELET, watcher=False) as kubelet:
        kubelet.plugins_registry_dir.rmdir()  # where it is, the Go plugin registers there
        begin = time.perf_counter()
        async with running_program(
            *on(host, contender.command),
            log=_LOG,
            environment={**environment, "PCIDB_PATH": str(PCI_IDS)},
        ) as child:
            it = Started(child, kubelet, slots, 0.0)
            try:
                await it.complete()
            except TimeoutError as error:
                raise BenchError(f"{contender.name}: {error}\n{_end_of_log()}") from error
            yield Started(child, kubelet, slots, time.perf_counter() - begin)


def _configure(slots: int, interval: int) -> None:
    name, selectors = RESOURCE.partition("/")[2], {"vendors": ["15b3"]}
    entry = {"resourceName": name, "rdmaHcaMax": slots, "selectors": selectors}
    _CONFIG.write_text(json.dumps({"periodicUpdateInterval": interval, "configList": [entry]}))


def _end_of_log() -> str:
    return _LOG.read_text(errors="replace")[-3000:]
