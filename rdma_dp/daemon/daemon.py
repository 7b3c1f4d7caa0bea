"""The daemon: config, discovery, sharing and kubelet meet here, and only here.

One event loop. An event of the kernel, a timer or a new config only asks for a scan. A scan ends in
one NodeState in one Latest, and the tasks below observe it:

    config, events, timers -> scan -> NodeState -> publication (files, log) -> offered NodeState
    offered NodeState -> registrations (streams to kubelet), links to set up
    NodeState -> node labels
    NodeState -> ResourceSlices and claims, if some resource is via DRA

All tasks run in one group: when one fails, the process ends with the reason, and no half of a
daemon stays behind.
"""

import asyncio
import logging
import os
from collections.abc import Coroutine
from typing import Any

from rdma_dp.aio.debounce import Debounce
from rdma_dp.aio.directory_watch import DirectoryWatch
from rdma_dp.aio.latest import Latest, first_of
from rdma_dp.aio.tasks import start
from rdma_dp.aio.threads import in_thread
from rdma_dp.config import Config
from rdma_dp.daemon import links_up, node_labels
from rdma_dp.daemon.config_file import ConfigFile
from rdma_dp.daemon.dra.dra_parts import DraParts
from rdma_dp.daemon.dra.dra_switch import follow_dra
from rdma_dp.daemon.metrics_and_probes import start_monitors
from rdma_dp.daemon.publication import Publication
from rdma_dp.daemon.registrations import Registrations
from rdma_dp.daemon.scanner import EAGER_INTERVAL, QUIET_INTERVAL, Scanner
from rdma_dp.daemon.settings import Settings
from rdma_dp.host import events
from rdma_dp.host.files import Host
from rdma_dp.host.relevant_links import RelevantLinks
from rdma_dp.inventory.changes import changed_hcas, changed_ports
from rdma_dp.inventory.hardware import Inventory
from rdma_dp.kubelet.registration.choice import Kubelet
from rdma_dp.kubelet.sockets import remove_stale
from rdma_dp.metrics import Metrics
from rdma_dp.monitoring.observed import Observed
from rdma_dp.sharing.state import NodeState, next_state
from rdma_dp.specs.publisher import SpecFiles

logger = logging.getLogger(__name__)


class Daemon:
    """Keeps kubelet's lists what the node and the config say.

    Scans are numbered from 1: `begun` is the number of the newest one that began, `applied` that of
    the newest one that kubelet's lists and the files follow. `links` decides which events of
    netdevs ask for a scan.
    """

    def __init__(self, settings: Settings) -> None:
        directories = settings.directories
        self._settings = settings
        first = settings.first_scan
        self._host = Host(settings.root) if first is None else first.host
        self._kubelet = Kubelet(
            directories=directories,
            way=settings.mode,
            instance=os.urandom(3).hex(),
            device_plugins_watch=DirectoryWatch(directories.device_plugins),
            plugins_registry_watch=DirectoryWatch(directories.plugins_registry),
        )
        self._config_watch = DirectoryWatch(settings.config_file.parent, file=settings.config_file)
        self.metrics = Metrics()
        self.config_file = ConfigFile(
            settings.config_file,
            self._config_watch,
            settings.defaults,
            facts=self.metrics.config,
            longest_wait=settings.config_wait,
            parse=settings.parse,
        )
        self.scan_again = Debounce()
        self.begun = 0
        self.applied = Latest(0)
        self.links = RelevantLinks()
        self._heard: Latest[frozenset[str]] = Latest(frozenset())  # sources of kernel events
        self._scanner = Scanner(self._host, self.metrics, self._heard, first)
        self._files = SpecFiles(settings.cdi_directory, settings.device_info_directory)
        self._cdi_watch = DirectoryWatch(settings.cdi_directory)
        self._offered: Latest[NodeState] | None = None
        self._registrations = Registrations(self._kubelet, metrics=self.metrics)
        self._observed = Observed(
            self.metrics, self._newest_offered, lambda: self._registrations.plugins
        )

    async def run(self) -> None:
        """Runs until it is cancelled, or until something fails that no retry can mend."""
        self._remove_stale_sockets()
        async with asyncio.TaskGroup() as tasks:
            start(tasks, "watch of the config", self._config_watch.run())
            for watch in (
                self._kubelet.device_plugins_watch,
                self._kubelet.plugins_registry_watch,
            ):
                start(tasks, "watch of kubelet's directory", watch.run())
            if self._host.live:
                sources = events.kernel_sources(self.links)
                following = events.keep_following(self.scan_again.wake, sources, heard=self._heard)
                start(tasks, "kernel events", following)
            # From the start on: before the first scan, a probe says what the daemon waits for.
            start_monitors(tasks, self._settings, self._observed)
            configs = Latest(await self.config_file.first())
            start(tasks, "config", self._follow_config(configs))
            states = Latest(await self._first_state(configs))
            self._start_observers(states, tasks)
            while True:
                await self._until_next_scan(states.value)
                if (state := await self._scan(configs.value, states.value)) is not None:
                    states.set(state)

    def _newest_offered(self) -> NodeState | None:
        """The newest offered state; None before the first scan."""
        if self._offered is None or not self._offered.value.scan:
            return None
        return self._offered.value

    def _start_observers(self, states: Latest[NodeState], tasks: asyncio.TaskGroup) -> None:
        publication = Publication(
            states, self._registrations.served, self._files, self._cdi_watch, self.applied
        )
        self._offered = offered = publication.offered
        start(tasks, "publication", publication.run())
        start(tasks, "registrations", self._registrations.run(offered))
        if (directory := self._settings.nfd_features) is not None:
            start(tasks, "node labels", node_labels.follow(states, directory, self._host))
        parts = DraParts(
            states,
            self._registrations.served,
            self._host,
            self._settings.directories,
            self._kubelet.plugins_registry_watch,
            self._settings.cdi_directory,
            self.metrics,
            os.environ,
        )
        start(tasks, "DRA", follow_dra(parts))
        if self._host.live:
            start(
                tasks, "links", links_up.follow(offered, self.scan_again.wake, metrics=self.metrics)
            )

    async def _follow_config(self, configs: Latest[Config]) -> None:
        while True:
            configs.set(await self.config_file.next())
            self.scan_again.wake_at_once()

    async def _first_state(self, configs: Latest[Config]) -> NodeState:
        """Until a scan succeeds: nothing is known before, and a guess would be a wrong list."""
        while (state := await self._scan(configs.value, None)) is None:
            await self._until_next_scan(None)
        if self._settings.first_scan is not None and self._host.live:
            self.scan_again.wake()  # it began before kernel events were followed
        return state

    async def _scan(self, config: Config, previous: NodeState | None) -> NodeState | None:
        """The state after a scan, with the last inventory if the scan failed; None without one."""
        self.begun = 1 if previous is None else previous.scan + 1
        self.links.scan_begins()
        await self._scanner.scan()
        if self._scanner.inventory is None:
            return None
        if self.links.scan_ended(self._scanner.inventory.netdevs):
            self.scan_again.wake()
        now = asyncio.get_running_loop().time()
        state = await in_thread(next_state, config, self._scanner.inventory, now, previous)
        if previous is not None:
            self._count_changes(previous.inventory, state.inventory)
        return state

    def _count_changes(self, before: Inventory, after: Inventory) -> None:
        if before is after:
            return
        for change, hcas in changed_hcas(before, after).items():
            self.metrics.hca_changes.add(change, by=len(hcas))
        for device, number in changed_ports(before, after):
            self.metrics.port_changes.add(device, str(number))

    async def _until_next_scan(self, state: NodeState | None) -> None:
        """An event, the timer, a change without an event, or a port that was down for too long."""
        eager = state is not None and state.waits_for_a_port
        waits: list[Coroutine[Any, Any, None]] = [
            self.scan_again.settled(),
            self._scanner.due(EAGER_INTERVAL if eager else QUIET_INTERVAL),
        ]
        if state is not None and state.config.periodic_update_interval:
            waits.append(asyncio.sleep(state.config.periodic_update_interval))
        if state is not None and state.overdue_at is not None:
            left = state.overdue_at - asyncio.get_running_loop().time()
            waits.append(asyncio.sleep(max(left, 0)))
        await first_of(*waits)

    def _remove_stale_sockets(self) -> None:
        directories = self._kubelet.directories
        for directory in (directories.device_plugins, directories.plugins_registry):
            for name in remove_stale(directory):
                logger.info("removed %s, left behind by an rdma-dp that was killed", name)
