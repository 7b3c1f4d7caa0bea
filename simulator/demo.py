"""`python -m simulator demo`: the real daemon on a simulated host, with a simulated kubelet.

The demo writes only to one temporary directory, which it removes at the end.
"""

import asyncio
import shutil
import signal
import sys
import textwrap
from asyncio import StreamReader
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from rdma_dp import config
from rdma_dp.aio.latest import first_of
from rdma_dp.discovery import scan
from rdma_dp.errors import RdmaDpError
from rdma_dp.host.files import Host
from rdma_dp.host.root import RootKind, root_kind
from rdma_dp.inventory.hardware import Hca, natural_key
from rdma_dp.sharing.pool import Pool, make_pools
from simulator import host as simulated_host
from simulator.kubelet import SimulatedKubelet
from simulator.scratch import scratch

Say = Callable[[str], None]

_CONFIG = """\
# Every Mellanox HCA of the node in one resource, scanned every second.
periodicUpdateInterval: 1
configList:
  - resourceName: rdma_shared_device_a
    rdmaHcaMax: 63
    selectors:
      vendors: ["15b3"]
"""

_WIDTH = 100  # columns

# Seconds after which the demo fails if an event does not come. It never waits for a fixed time.
_TIMEOUT = 60.0


async def run(host: str, config_file: Path | None, say: Say) -> None:
    """Shows registration, the list, an Allocate, an HCA that comes and goes, and a clean exit.

    `host` is the name of a sample or a directory with a captured host. Raises RdmaDpError.
    """
    say = _wrapped(say)
    with scratch("rdma-dp-") as directory:
        setup = _set_up(Path(directory), host, config_file)
        say(f"The host: {setup.title}")
        for pool in setup.pools:
            _introduce(pool, say)
        async with SimulatedKubelet(setup.kubelet_root) as kubelet, _daemon(setup, say) as daemon:
            await first_of(_play(setup, kubelet, daemon, say), daemon.must_not_exit())
            await daemon.stop()
        say("\nThat was the real daemon. Only the host and kubelet were simulated.")


async def _play(setup: "_Setup", kubelet: SimulatedKubelet, daemon: "_Daemon", say: Say) -> None:
    try:
        for pool in setup.pools:
            await _show_resource(kubelet, pool, say)
        for pool in [pool for pool in setup.pools if pool.hcas][:1]:
            await _lose_one(setup, kubelet, daemon, pool, say)
            await _lose_all(setup, kubelet, pool, say)
    except TimeoutError as error:
        raise RdmaDpError(f"an event did not come in time: {error}", "the log is above") from error


def _wrapped(say: Say) -> Say:
    """Wraps long lines, with an indent for the continuation."""

    def say_wrapped(text: str) -> None:
        lead, line = ("\n", text[1:]) if text.startswith("\n") else ("", text)
        indent = " " * (len(line) - len(line.lstrip()) + 4)
        say(lead + textwrap.fill(line, _WIDTH, subsequent_indent=indent, break_on_hyphens=False))

    return say_wrapped


# --- setup --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Setup:
    title: str
    root: Path
    directory: Path
    config_file: Path
    kubelet_root: Path
    pools: tuple[Pool, ...]
    unplug: Callable[[str], None]
    plug: Callable[[str], None]


def _set_up(directory: Path, host: str, config_file: Path | None) -> _Setup:
    written = directory / "config.yaml"
    written.write_text(_CONFIG if config_file is None else _quick(config_file))
    root = directory / "host"
    title, unplug, plug = _captured(Path(host), root) or _sample(host, root)
    inventory = scan(Host(root))
    served = config.load(written).config
    return _Setup(
        title=title,
        root=root,
        directory=directory,
        config_file=written,
        kubelet_root=directory / "kubelet",
        pools=make_pools(served, inventory),
        unplug=unplug,
        plug=plug,
    )


def _quick(config_file: Path) -> str:
    """The user's config, with a scan every second."""
    served = config.load(config_file).document.model_copy(update={"periodic_update_interval": 1})
    return served.model_dump_json(by_alias=True, exclude_defaults=True)


Actions = tuple[str, Callable[[str], None], Callable[[str], None]]


def _sample(name: str, root: Path) -> Actions:
    built = simulated_host.build(simulated_host.load(name), root)
    return built.manifest.title, built.unplug, built.plug


def _captured(source: Path, root: Path) -> Actions | None:
    """A copy of a captured tree; None when `source` is not one."""
    if root_kind(source) is not RootKind.TREE:
        return None
    if source.resolve() == Path("/"):
        raise RdmaDpError(
            "the demo unplugs HCAs of its host, so it does not run on this machine",
            "give a sample's name or a captured tree; `rdma-dp dry-run` reads this machine",
        )
    shutil.copytree(source / "sys", root / "sys", symlinks=True)
    entries, away = root / "sys/class/infiniband", root / "unplugged"
    away.mkdir()
    return (
        f"captured in {source}",
        lambda hca: (entries / hca).rename(away / hca) and None,
        lambda hca: (away / hca).rename(entries / hca) and None,
    )


# --- the daemon ---------------------------------------------------------------------------------


class _Daemon:
    """The daemon's process and its log, which is shown line by line."""

    def __init__(self, process: Process, log: StreamReader, say: Say) -> None:
        self._process = process
        self._log = log
        self._say = say
        self._lines: asyncio.Queue[str] = asyncio.Queue()

    async def show_log(self) -> None:
        """Shows the log until the process exits."""
        async for line in self._log:
            clock, _, text = line.decode().rstrip()[11:].partition(",")
            self._say(f"  daemon | {clock} {text[4:]}")
            self._lines.put_nowait(text)

    async def logs(self, *words: str) -> None:
        """Waits for a line of the log that has all these words."""
        async with asyncio.timeout(_TIMEOUT):
            while not all(word in line for line in [await self._lines.get()] for word in words):
                pass

    async def must_not_exit(self) -> None:
        """Waits for the process, and raises RdmaDpError when it exits."""
        code = await self._process.wait()
        raise RdmaDpError(f"the daemon exited with code {code}", "its log is above")

    async def stop(self) -> None:
        self._say("\nSIGTERM:")
        self._process.send_signal(signal.SIGTERM)
        await self.logs("stopped")
        self._say(f"  exit code {await self._process.wait()}")


@asynccontextmanager
async def _daemon(setup: _Setup, say: Say) -> AsyncIterator[_Daemon]:
    say("\nThe daemon starts:")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "rdma_dp", "run"),
        *("--root", setup.root, "--config-file", setup.config_file),
        *("--kubelet-root-dir", setup.kubelet_root),
        *("--cdi-dir", setup.directory / "cdi"),
        *("--device-info-dir", setup.directory / "devinfo"),
        stderr=asyncio.subprocess.PIPE,
    )
    if process.stderr is None:
        raise RdmaDpError("the daemon has no log")
    daemon = _Daemon(process, process.stderr, say)
    log = asyncio.create_task(daemon.show_log(), name="daemon-log")
    try:
        yield daemon
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await log


# --- steps --------------------------------------------------------------------------------------


def _introduce(pool: Pool, say: Say) -> None:
    say(f"  {pool.resource.full_name} takes {_list(pool.hcas) or 'none of its HCAs'}")
    for verdict in pool.selection.rejected:
        say(f"    not {verdict.hca.name}: {'; '.join(verdict.reasons)}")


async def _show_resource(kubelet: SimulatedKubelet, pool: Pool, say: Say) -> None:
    name = pool.resource.full_name
    await kubelet.wait_until(lambda k: name in k.resources(), _TIMEOUT)
    await kubelet.wait_for(name, lambda devices: _healthy(devices) == pool.healthy, _TIMEOUT)
    each = f", {pool.resource.rdma_hca_max} per HCA" if pool.resource.per_hca else ""
    say(f"\nkubelet has registered {name}: {kubelet.allocatable(name)} allocatable{each}")
    if pool.healthy:
        await _show_allocation(kubelet, pool, say)
    if pool.healthy and pool.resource.per_hca:
        await _show_allocation(kubelet, pool, say, slots=min(4, len(pool.hcas)))


async def _show_allocation(kubelet: SimulatedKubelet, pool: Pool, say: Say, slots: int = 1) -> None:
    name = pool.resource.full_name
    allocation = await kubelet.allocate(name, slots)
    nodes = [d.container_path.rpartition("/")[2] for d in allocation.answer.devices]
    ids = ", ".join(allocation.ids)
    say(f"a container asks for {name}: {slots} and gets slot{'s' * (slots > 1)} {ids}")
    if nodes:
        say(f"  in /dev/infiniband: {' '.join(sorted(nodes, key=natural_key))}")
    for device in allocation.answer.cdi_devices:
        say(f"  CDI device {device.name}")
    for key, value in sorted({**allocation.answer.annotations, **allocation.answer.envs}.items()):
        say(f"  {key}={value}")
    kubelet.release(allocation)


async def _lose_one(
    setup: _Setup, kubelet: SimulatedKubelet, daemon: _Daemon, pool: Pool, say: Say
) -> None:
    lost, name = pool.hcas[-1].name, pool.resource.full_name
    say(f"\n{lost} is unplugged:")
    setup.unplug(lost)
    await daemon.logs(name, f"lost {lost}")
    if len(pool.hcas) > 1:
        await _show_allocation(kubelet, pool, say)
    say(f"\n{lost} is plugged in again:")
    setup.plug(lost)
    await daemon.logs(name, f"found {lost}")


async def _lose_all(setup: _Setup, kubelet: SimulatedKubelet, pool: Pool, say: Say) -> None:
    name = pool.resource.full_name
    say(f"\nEvery HCA of {name} is unplugged, then plugged in again:")
    for hca in pool.hcas:
        setup.unplug(hca.name)
    await kubelet.wait_for(name, lambda devices: _healthy(devices) == 0, _TIMEOUT)
    say(f"  kubelet counts {kubelet.allocatable(name)} of {kubelet.capacity(name)} healthy")
    for hca in pool.hcas:
        setup.plug(hca.name)
    await kubelet.wait_for(name, lambda devices: _healthy(devices) == pool.healthy, _TIMEOUT)
    say(f"  kubelet counts {kubelet.allocatable(name)} of {kubelet.capacity(name)} healthy")


def _healthy(devices: Mapping[str, str]) -> int:
    return sum(health == "Healthy" for health in devices.values())


def _list(hcas: Sequence[Hca]) -> str:
    return ", ".join(hca.name for hca in hcas)
