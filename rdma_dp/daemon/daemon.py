"""The daemon: the only place where config, discovery, pools and kubelet meet.

One event loop. Whatever happens (an event of the kernel, a timer, a new config) only says "look
again"; one full scan follows, new pools are made of it, and the streams to kubelet observe them.
Every task runs in one group, so that one that fails or ends ends the process with its reason
instead of leaving half a daemon behind.
"""

import asyncio
import logging
import secrets
from collections.abc import Coroutine, Mapping
from typing import Any, NoReturn

from rdma_dp.aio.backoff import Backoff
from rdma_dp.aio.debounce import Debounce
from rdma_dp.aio.directory_watch import DirectoryWatch
from rdma_dp.aio.latest import Latest, first_of
from rdma_dp.aio.tasks import start
from rdma_dp.aio.threads import in_thread
from rdma_dp.config import CdiMode, SlotsPer
from rdma_dp.daemon.config_file import ConfigFile
from rdma_dp.daemon.links_up import LinkKeeper
from rdma_dp.daemon.published import Pools
from rdma_dp.daemon.scanner import EAGER_LOOK, QUIET_LOOK, Node
from rdma_dp.daemon.settings import Settings
from rdma_dp.host import events
from rdma_dp.host.files import Host
from rdma_dp.host.netlink.links import index_of, set_up
from rdma_dp.kubelet.device_plugin.servicer import Plugin
from rdma_dp.kubelet.registration.choice import Kubelet, keep_registered
from rdma_dp.kubelet.sockets import remove_stale
from rdma_dp.specs.publisher import SpecFiles

logger = logging.getLogger(__name__)

_Registered = tuple[str, SlotsPer]  # kubelet asks for a plugin's options only when it registers


class Daemon:
    """Keeps kubelet's lists what the node and the config say.

    `looks` counts the looks at the node that have come to their effect on the lists.
    """

    def __init__(self, settings: Settings) -> None:
        directories = settings.directories
        self._host = Host(settings.root)
        self._may_set_links_up = settings.set_links_up
        self._use_cdi = settings.use_cdi
        self._kubelet = Kubelet(
            directories=directories,
            way=settings.way,
            instance=secrets.token_hex(3),
            device_plugins_watch=DirectoryWatch(directories.device_plugins),
            plugins_registry_watch=DirectoryWatch(directories.plugins_registry),
        )
        self._config_watch = DirectoryWatch(settings.config_file.parent)
        self.config_file = ConfigFile(settings.config_file, self._config_watch)
        self.look_again = Debounce()
        self.looks = Latest(0)
        self._node = Node(self._host)
        self._pools = Pools()
        self._spec_files = SpecFiles(settings.cdi_directory, settings.device_info_directory)
        self._cdi_watch = DirectoryWatch(settings.cdi_directory)
        self._specs_watched = False
        self._troubles: Mapping[str, str] = {}
        self._backoff = Backoff()
        self._links = LinkKeeper(set_up, index_of)
        self._registrations: dict[_Registered, asyncio.Task[NoReturn]] = {}

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
                start(tasks, "kernel events", events.follow(self.look_again.wake))
            self._config = await self.config_file.first()
            start(tasks, "config", self._follow_config())
            while True:
                await self._node.look()
                await self._apply(tasks)
                self.looks.set(self.looks.value + 1)
                await self._until_next_look()

    async def _follow_config(self) -> None:
        while True:
            self._config = await self.config_file.next()
            self.look_again.wake_at_once()

    async def _apply(self, tasks: asyncio.TaskGroup) -> None:
        """Makes what containers and kubelet see follow the config and the node."""
        if self._node.inventory is None:
            return  # nothing is known yet, and a guess would be a wrong list
        now = asyncio.get_running_loop().time()
        cdi = self._config.cdi_mode(use_cdi=self._use_cdi)
        plan = self._pools.plan(self._config, self._node.inventory, now, cdi)
        # Files first: a container may be made the moment that kubelet hears of a slot.
        self._troubles = await in_thread(self._spec_files.follow, plan.pools)
        self._pools.publish(plan, self._troubles)
        await self._register(tasks)
        await in_thread(self._spec_files.tidy)
        if cdi is not CdiMode.OFF:
            self._watch_specs(tasks)
        await self._set_links_up()

    def _watch_specs(self, tasks: asyncio.TaskGroup) -> None:
        """From the first spec on: a directory that is not there costs two looks a second."""
        if not self._specs_watched:
            self._specs_watched = True
            start(tasks, "watch of the CDI directory", self._cdi_watch.run())
            start(tasks, "CDI specs", self._follow_specs())

    async def _follow_specs(self) -> None:
        """Looks again when somebody else changed our specs, as another rdma-dp in an update may."""
        async for _ in self._cdi_watch.changes.watch():
            if not await in_thread(self._spec_files.intact):
                self.look_again.wake()

    async def _register(self, tasks: asyncio.TaskGroup) -> None:
        """Who is registered: those in the config, anew when kubelet must ask for other options."""
        wanted = {
            (name, latest.value.resource.slots_per): latest
            for name, latest in self._pools.served.items()
        }
        gone = {key: self._registrations.pop(key) for key in {*self._registrations} - {*wanted}}
        for (name, _), task in gone.items():
            if name not in self._pools.served:
                logger.info("%s left the config", name)
            task.cancel()
        await asyncio.gather(*gone.values(), return_exceptions=True)
        for key, latest in wanted.items():
            if key not in self._registrations:
                registration = keep_registered(Plugin(latest), self._kubelet)
                self._registrations[key] = start(tasks, key[0], registration)

    async def _set_links_up(self) -> None:
        wanted = self._config.set_links_up
        if self._may_set_links_up if wanted is None else wanted:
            if not self._host.live:
                return
            if await in_thread(self._links.look, self._pools.hcas):
                self.look_again.wake()

    async def _until_next_look(self) -> None:
        """An event, the timer, a quiet change, or a pool whose grace is over."""
        waits: list[Coroutine[Any, Any, None]] = [
            self.look_again.settled(),
            self._node.due(EAGER_LOOK if self._pools.waiting else QUIET_LOOK),
        ]
        if self._troubles:
            waits.append(asyncio.sleep(self._backoff.delay()))
        else:
            self._backoff.reset()
        if self._config.periodic_update_interval:
            waits.append(asyncio.sleep(self._config.periodic_update_interval))
        if (overdue_at := self._pools.overdue_at) is not None:
            left = overdue_at - asyncio.get_running_loop().time()
            waits.append(asyncio.sleep(max(left, 0)))
        await first_of(*waits)

    def _remove_stale_sockets(self) -> None:
        directories = self._kubelet.directories
        for directory in (directories.device_plugins, directories.plugins_registry):
            for name in remove_stale(directory):
                logger.info("removed %s, left behind by an rdma-dp that was killed", name)
