"""Starts DRA when some resource is via DRA, and ends it when nothing of it is left.

Until then nothing of DRA is imported: no client for the API server, no services of kubelet.
"""

import asyncio

from rdma_dp.aio.tasks import start
from rdma_dp.aio.threads import in_thread
from rdma_dp.daemon.dra.dra_parts import DraParts, offers
from rdma_dp.daemon.dra.leftover_claims import drivers_with_claims


async def follow_dra(parts: DraParts) -> None:
    """Runs a driver for each name that the config has had, until it is cancelled.

    A driver that an earlier process left claims of runs too: kubelet will give them back.
    """
    async with asyncio.TaskGroup() as tasks:
        known = set(await in_thread(drivers_with_claims, parts.directories))
        for name in sorted(known):
            start(tasks, f"DRA driver {name}", _keep(parts, name))
        async for state in parts.states.watch():
            name = state.config.dra.driver_name
            if state.config.uses_dra and name not in known:
                known.add(name)
                start(tasks, f"DRA driver {name}", _keep(parts, name))


async def _keep(parts: DraParts, driver: str) -> None:
    """Runs a driver now, and again each time that the config offers a resource by it."""
    while True:
        # aiohttp and the services of kubelet cost 10 MiB.
        from rdma_dp.daemon.dra.dra_tasks import run_dra

        await run_dra(parts, driver)
        await parts.states.until(lambda state: offers(state.config, driver))
