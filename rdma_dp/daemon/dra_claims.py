"""The part of DRA that kubelet calls: claims are prepared and given back."""

import asyncio
import secrets
from collections.abc import Mapping
from typing import Any, Protocol

from rdma_dp.aio.directory_watch import DirectoryWatch
from rdma_dp.aio.latest import Latest, Observable, Part
from rdma_dp.aio.tasks import start
from rdma_dp.daemon.dra_parts import NODE_NAME, POD_UID, DraParts
from rdma_dp.dra.devices import DraDevice
from rdma_dp.kubelet.dra.driver import Driver, DriverSettings

_UNREAD = -1


class ClaimApi(Protocol):
    """What claims need of the API server. Its errors are RdmaDpError."""

    async def claim(self, namespace: str, name: str) -> Mapping[str, Any]:
        """A ResourceClaim."""

    async def apply_claim_status(
        self, namespace: str, name: str, uid: str, status: Mapping[str, Any]
    ) -> None:
        """Writes our part of the status of a claim."""


class Claims:
    """Serves kubelet's DRA services of one driver.

    `prepared` is the number of claims on the node; it is negative until they were read. It also
    serves while no resource is via DRA, until `prepared` is 0: kubelet gives claims back.
    """

    def __init__(
        self,
        parts: DraParts,
        driver: str,
        devices: Observable[tuple[DraDevice, ...]],
        api: ClaimApi,
    ) -> None:
        settings = DriverSettings(
            driver=driver,
            pool=parts.environment.get(NODE_NAME, ""),
            # Without the UID, two instances still differ.
            instance=parts.environment.get(POD_UID) or secrets.token_hex(3),
            directory=parts.directories.plugins / driver,
            cdi_directory=parts.cdi_directory,
        )
        self._registry = DirectoryWatch(parts.directories.plugins_registry)
        inventory = Part(parts.states, lambda state: state.inventory)
        self.driver = Driver(settings, self._registry, devices, inventory, api.claim, parts.metrics)
        self.prepared = Latest(_UNREAD)

    async def run(self) -> None:
        """Runs until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            start(tasks, "watch of plugins_registry", self._registry.run())
            start(tasks, "number of claims", self._count())
            start(tasks, "DRA services", self.driver.run())

    async def _count(self) -> None:
        async for claims in self.driver.preparation.claims.watch():
            self.prepared.set(_UNREAD if claims is None else len(claims))
