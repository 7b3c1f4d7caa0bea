"""Which resources are registered with kubelet: those of the offered state."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

from rdma_dp.aio.latest import Latest, Observable, Part
from rdma_dp.aio.tasks import start
from rdma_dp.config import SlotsPer
from rdma_dp.kubelet.device_plugin.servicer import Plugin
from rdma_dp.kubelet.registration.choice import Kubelet, keep_registered
from rdma_dp.metrics import Metrics
from rdma_dp.sharing.state import NodeState

logger = logging.getLogger(__name__)

# kubelet asks for a plugin's options only when it registers: with other options it is another one.
_Key = tuple[str, SlotsPer]

Keep = Callable[[Plugin, Kubelet], Coroutine[Any, Any, None]]


class Registrations:
    """Keeps one registration for each resource of the offered state.

    A resource that leaves the config, or is offered by DRA from now on, is handed over or withdrawn
    beside everything else; nothing waits for it but a new registration of the same resource.
    `served` are the full names of the resources that kubelet may still ask for.
    """

    def __init__(
        self, kubelet: Kubelet, keep: Keep = keep_registered, metrics: Metrics | None = None
    ) -> None:
        self._kubelet = kubelet
        self._metrics = metrics or Metrics()
        self._plugins: dict[str, Plugin] = {}
        self._keep = keep
        self._tasks: dict[_Key, asyncio.Task[NoReturn]] = {}
        self._ending: dict[str, asyncio.Task[NoReturn]] = {}
        self.served: Latest[frozenset[str]] = Latest(frozenset())

    async def run(self, offered: Observable[NodeState]) -> None:
        """Runs until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            async for state in offered.watch():
                self._end_all_but(state)
                self._begin(state, offered, tasks)

    @property
    def plugins(self) -> tuple[Plugin, ...]:
        """The plugins that are registered, or try to be."""
        return tuple(self._plugins.values())

    def _end_all_but(self, state: NodeState) -> None:
        pools = state.plugin_pools
        wanted = {(name, pool.resource.slots_per) for name, pool in pools.items()}
        for key in sorted({*self._tasks} - wanted):
            name, _ = key
            if name not in state.pools:
                logger.info("%s left the config", name)
            elif name not in pools:
                logger.info("%s is offered by DRA from now on", name)
            self._ending[name] = self._tasks.pop(key)
            self._ending[name].cancel()

    def _begin(
        self, state: NodeState, offered: Observable[NodeState], tasks: asyncio.TaskGroup
    ) -> None:
        for name, pool in state.plugin_pools.items():
            key = name, pool.resource.slots_per
            if key not in self._tasks:
                work = self._serve(name, offered, self._ending.get(name))
                self._tasks[key] = task = start(tasks, name, work)
                task.add_done_callback(self._forget)
        self._note_served()

    async def _serve(
        self,
        name: str,
        offered: Observable[NodeState],
        earlier: "asyncio.Task[NoReturn] | None",
    ) -> None:
        if earlier is not None:
            await _ended(earlier)  # it has the socket that this one needs
        plugin = Plugin(Part(offered, lambda state: state.pool(name)), self._metrics)
        self._plugins[name] = plugin
        try:
            await self._keep(plugin, self._kubelet)
        finally:
            del self._plugins[name]

    def _forget(self, task: "asyncio.Task[NoReturn]") -> None:
        self._ending = {name: each for name, each in self._ending.items() if each is not task}
        self._note_served()

    def _note_served(self) -> None:
        served = frozenset((*(name for name, _ in self._tasks), *self._ending))
        if served != self.served.value:
            self.served.set(served)


async def _ended(task: "asyncio.Task[NoReturn]") -> None:
    """Until a task has ended, also when this call is cancelled.

    The next registration of the resource waits for this one alone.
    """
    try:
        await asyncio.wait([task])
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
