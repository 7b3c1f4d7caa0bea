"""A plugin that keeps itself registered, without a daemon around it."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from rdma_dp.aio.directory_watch import DirectoryWatch
from rdma_dp.aio.latest import Latest
from rdma_dp.kubelet.device_plugin.servicer import Plugin
from rdma_dp.kubelet.registration.by_call import DevicePluginsRegistration
from rdma_dp.kubelet.registration.by_watcher import PluginsRegistryRegistration
from simulator.kubelet import SimulatedKubelet
from tests.unit.kubelet.nodes import pool


@asynccontextmanager
async def registering(
    kubelet: SimulatedKubelet, own: str, *, registry: bool
) -> AsyncIterator[Plugin]:
    """The plugin, on the socket `own`. With `registry` kubelet's watcher finds it."""
    plugin = Plugin(Latest(pool(0)))
    by_name = [kubelet.device_plugins_dir, kubelet.plugins_registry_dir]
    watches = [DirectoryWatch(each) for each in by_name]
    run: Coroutine[Any, Any, Any]
    if registry:
        socket = kubelet.plugins_registry_dir / own
        run = PluginsRegistryRegistration(plugin, socket, kubelet.socket, *watches[::-1]).run()
    else:
        run = DevicePluginsRegistration(plugin, kubelet.device_plugins_dir / own, *watches).run()
    tasks = [asyncio.create_task(run), *(asyncio.create_task(each.run()) for each in watches)]
    try:
        yield plugin
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
