"""The part of DRA that kubelet calls: claims are prepared and given back."""

import asyncio
import os

from rdma_dp.aio.latest import Observable, Part
from rdma_dp.aio.tasks import start
from rdma_dp.api_server.dra_api import DraApi
from rdma_dp.daemon.dra.claim_releases import ROUND_INTERVAL, ClaimReleases
from rdma_dp.daemon.dra.claim_status_writer import ClaimStatusWriter
from rdma_dp.daemon.dra.dra_parts import POD_UID, DraParts
from rdma_dp.dra.devices import DraDevice
from rdma_dp.kubelet.dra.driver import Driver, DriverSettings


class Claims:
    """Serves kubelet's DRA services of one driver.

    `prepared` is the number of claims on the node, None until they were read. It also serves while
    no resource is via DRA, until `prepared` is 0: kubelet gives claims back.
    """

    def __init__(
        self,
        parts: DraParts,
        devices: Observable[tuple[DraDevice, ...]],
        api: DraApi,
        round_interval: float = ROUND_INTERVAL,
    ) -> None:
        """`round_interval`: seconds between two rounds that release forgotten claims."""
        settings = DriverSettings(
            driver=api.driver,
            pool=api.node,
            # Without the UID, two instances still differ.
            instance=parts.environment.get(POD_UID) or os.urandom(3).hex(),
            directory=parts.directories.plugins / api.driver,
            cdi_directory=parts.cdi_directory,
        )
        inventory = Part(parts.states, lambda state: state.inventory)
        self._statuses = ClaimStatusWriter(
            api, devices, lambda: parts.states.value.config.dra.claim_status
        )
        self._driver = Driver(
            settings,
            parts.plugins_registry,
            devices,
            inventory,
            api.claim,
            parts.metrics,
            self._statuses.note,
        )
        self._releases = ClaimReleases(
            self._driver, api, parts.directories.pod_resources, parts.metrics, round_interval
        )
        self.prepared: Observable[int | None] = self._driver.preparation.count

    async def run(self) -> None:
        """Runs until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            start(tasks, "status of claims", self._statuses.run())
            start(tasks, "DRA services", self._driver.run())
            start(tasks, "claims that kubelet has forgotten", self._releases.run())
