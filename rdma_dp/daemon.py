"""The daemon: the only place where config, discovery, pools and kubelet meet.

One event loop. A timer asks for a full scan, each scan makes new pools, and the streams to
kubelet observe them. Every task runs in one group, so that one that fails ends the process with
its reason instead of leaving half a daemon behind.
"""

import asyncio
import logging
import secrets
import signal
from dataclasses import dataclass
from pathlib import Path

from rdma_dp import changes, config
from rdma_dp.advice import node_warnings, resource_warnings
from rdma_dp.config import Config, ConfigError, ConfigMissing, Loaded
from rdma_dp.discovery import scan
from rdma_dp.errors import RdmaDpError
from rdma_dp.host import Host
from rdma_dp.kubelet.directory_watch import DirectoryWatch
from rdma_dp.kubelet.plugin import Plugin
from rdma_dp.kubelet.registration import Kubelet, KubeletDirectories, Way, keep_registered
from rdma_dp.kubelet.sockets import remove_stale
from rdma_dp.latest import Latest, first_of
from rdma_dp.model import Inventory, System
from rdma_dp.pool import Pool, make_pool
from rdma_dp.selection import Selection, select

logger = logging.getLogger(__name__)

# Seconds between two looks for a config file that is not there yet: the operator may mount an
# empty ConfigMap and fill it later.
_CONFIG_LOOK = 1.0


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line decides."""

    config_file: Path
    directories: KubeletDirectories
    way: Way = Way.AUTO
    root: Path = Path("/")


async def run(settings: Settings) -> None:
    """Runs until SIGTERM or SIGINT. Raises RdmaDpError when it cannot start."""
    stop, reload = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, reload.set)
    try:
        await first_of(_until_set(stop), Daemon(settings, reload).run())
    except BaseExceptionGroup as group:
        reason = _first_leaf(group)
        if isinstance(reason, RdmaDpError):
            raise reason from None
        raise
    logger.info("stopped")


async def _until_set(event: asyncio.Event) -> None:
    await event.wait()
    logger.info("asked to stop")


def _first_leaf(group: BaseException) -> BaseException:
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group


class Daemon:
    """Serves one config after another; SIGHUP asks for the next."""

    def __init__(self, settings: Settings, reload: asyncio.Event) -> None:
        self._settings = settings
        self._reload = reload
        self._host = Host(settings.root)
        self._pools = Pools()
        self._kubelet = Kubelet(
            directories=settings.directories,
            way=settings.way,
            instance=secrets.token_hex(3),
            device_plugins_watch=DirectoryWatch(settings.directories.device_plugins),
            plugins_registry_watch=DirectoryWatch(settings.directories.plugins_registry),
        )

    async def run(self) -> None:
        """Runs until it is cancelled, or until something fails that no retry can mend."""
        self._remove_stale_sockets()
        async with asyncio.TaskGroup() as tasks:
            for watch in (
                self._kubelet.device_plugins_watch,
                self._kubelet.plugins_registry_watch,
            ):
                tasks.create_task(watch.run(), name="directory-watch")
            loaded = await self._first_config()
            while True:
                loaded = await first_of(self._serve(loaded.config), self._next_config())

    async def _first_config(self) -> Loaded:
        """Waits for a config; a wrong one is an error."""
        said = False
        while True:
            try:
                loaded = config.load(self._settings.config_file)
            except ConfigMissing as missing:
                if not said:
                    logger.warning("waiting for a config: %s", missing)
                said = True
                await asyncio.sleep(_CONFIG_LOOK)
            else:
                self._say_warnings(loaded)
                return loaded

    async def _next_config(self) -> Loaded:
        """After SIGHUP; a wrong config leaves the last one in force."""
        while True:
            await self._reload.wait()
            self._reload.clear()
            try:
                loaded = config.load(self._settings.config_file)
            except ConfigError as error:
                for problem in error.problems:
                    logger.error("%s", problem.in_file(self._settings.config_file))
                logger.error("the new config is wrong; the last good one stays in force")
            else:
                logger.info("config read again from %s", self._settings.config_file)
                self._say_warnings(loaded)
                return loaded

    async def _serve(self, served: Config) -> Loaded:
        """Serves the resources of one config; never returns."""
        self._pools.update(served, await asyncio.to_thread(scan, self._host))
        async with asyncio.TaskGroup() as tasks:
            for resource in served.config_list:
                plugin = Plugin(self._pools.newest[resource.full_name])
                tasks.create_task(keep_registered(plugin, self._kubelet), name=plugin.resource)
            while True:
                await _next_look(served.periodic_update_interval)
                try:
                    self._pools.update(served, await asyncio.to_thread(scan, self._host))
                except RdmaDpError as error:
                    logger.error("the scan failed, the last list stays in force: %s", error)

    def _remove_stale_sockets(self) -> None:
        directories = self._settings.directories
        for directory in (directories.device_plugins, directories.plugins_registry):
            for name in remove_stale(directory):
                logger.info("removed %s, left behind by an rdma-dp that was killed", name)

    def _say_warnings(self, loaded: Loaded) -> None:
        for warning in loaded.warnings:
            logger.warning("%s", warning.in_file(self._settings.config_file))


async def _next_look(interval: int) -> None:
    """Until it is time to look again; 0 is never."""
    if interval == 0:
        await asyncio.Event().wait()
    await asyncio.sleep(interval)


class Pools:
    """The newest pool of every resource since the process began, and what was said about them.

    A resource that leaves the config and comes back finds the ids that kubelet knows of it.
    """

    def __init__(self) -> None:
        self._said: frozenset[str] = frozenset()
        self.newest: dict[str, Latest[Pool]] = {}

    def update(self, served: Config, inventory: Inventory) -> None:
        """Makes new pools of a new inventory and logs what changed."""
        selections = [select(inventory, resource) for resource in served.config_list]
        for selection in selections:
            self._update_pool(selection, inventory.system)
        warnings = [
            f"{selection.resource.full_name}: {warning}"
            for selection in selections
            for warning in resource_warnings(selection, inventory.system)
        ]
        self._warn([*node_warnings(inventory, selections), *warnings])

    def _update_pool(self, selection: Selection, system: System) -> None:
        latest = self.newest.get(selection.resource.full_name)
        previous = latest.value if latest else None
        pool = make_pool(selection, system, previous)
        for line in changes.describe(previous, pool):
            logger.log(logging.INFO if pool.hcas else logging.WARNING, "%s", line)
        if latest:
            latest.set(pool)
        else:
            self.newest[pool.resource.full_name] = Latest(pool)

    def _warn(self, warnings: list[str]) -> None:
        """Each warning once, until it goes away and comes back."""
        for warning in warnings:
            if warning not in self._said:
                logger.warning("%s", warning)
        self._said = frozenset(warnings)
