"""The DRA driver of this node: claims, health and registration together."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rdma_dp.aio.directory_watch import DirectoryWatch
from rdma_dp.aio.latest import Latest, Observable, changes
from rdma_dp.aio.tasks import start
from rdma_dp.dra.claims import prepared
from rdma_dp.dra.devices import DraDevice
from rdma_dp.inventory.hardware import Inventory
from rdma_dp.kubelet.dra.claim_record import ClaimRef
from rdma_dp.kubelet.dra.claim_service import claim_services
from rdma_dp.kubelet.dra.claim_store import ClaimStore
from rdma_dp.kubelet.dra.device_health import DeviceHealth, device_health
from rdma_dp.kubelet.dra.driver_registration import DriverRegistration
from rdma_dp.kubelet.dra.driver_status import DriverStatusService
from rdma_dp.kubelet.dra.health_service import HealthService
from rdma_dp.kubelet.dra.preparation import GetClaim, Preparation
from rdma_dp.kubelet.sockets import AddServices
from rdma_dp.metrics import Metrics
from rdma_dp.specs.claim_directory import ClaimSpecs

_INTERVAL = 60.0  # seconds; another instance may have prepared or unprepared claims


@dataclass(frozen=True, slots=True)
class DriverSettings:
    """What a driver is on this node.

    `pool` is the name of its pool of devices, which is the node's. `instance` is the UID of its
    pod. `directory` is the driver's own, below kubelet's root.
    """

    driver: str
    pool: str
    instance: str
    directory: Path
    cdi_directory: Path


class Driver:
    """Serves kubelet for one driver. `preparation.claims` are its claims."""

    def __init__(
        self,
        settings: DriverSettings,
        registry: DirectoryWatch,
        devices: Observable[tuple[DraDevice, ...]],
        inventory: Observable[Inventory],
        get_claim: GetClaim,
        metrics: Metrics,
        on_prepared: Callable[[ClaimRef, Mapping[str, Any]], None] | None = None,
        interval: float = _INTERVAL,
    ) -> None:
        """`registry` is a watch of plugins_registry that runs.

        `on_prepared` gets each claim, with its object, that was not prepared before. `interval`:
        seconds after which the claims are read again.
        """
        self._settings = settings
        self._devices = devices
        self._inventory = inventory
        self._interval = interval
        store = ClaimStore(
            settings.directory,
            settings.driver,
            ClaimSpecs(settings.cdi_directory),
            lambda claim, uid: prepared(claim, devices.value, settings.driver, settings.pool, uid),
            lambda: devices.value,
            lambda: inventory.value,
        )
        self.preparation = Preparation(
            settings.driver, store, get_claim, metrics, on_prepared=on_prepared
        )
        self._health: Latest[tuple[DeviceHealth, ...]] = Latest(())
        health = HealthService(self._health)
        self.registration = DriverRegistration(
            settings.driver,
            settings.instance,
            registry,
            self._services(health, metrics),
            health,
        )

    def _services(self, health: HealthService, metrics: Metrics) -> list[AddServices]:
        node, directory = self._settings.pool, self._settings.directory
        status = DriverStatusService(
            node,
            directory,
            self.preparation,
            metrics.slices_of(self._settings.driver),
            lambda: self.registration,
        )
        return [*claim_services(self.preparation), health.add_to, status.add_to]

    async def run(self) -> None:
        """Runs until it is cancelled. Claims are renewed before kubelet can ask for them."""
        seen = self._hardware()
        await self.preparation.renew()
        async with asyncio.TaskGroup() as tasks:
            start(tasks, "specs of claims", self._renew(seen))
            start(tasks, "health of devices", self._assess())
            start(tasks, "registration of the driver", self.registration.run())

    async def _renew(self, seen: tuple[object, object]) -> None:
        """After each change of the hardware since `seen`, and after a while."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._interval):
                    await self._changed(seen)
            seen = self._hardware()
            await self.preparation.renew()

    def _hardware(self) -> tuple[object, object]:
        return self._devices.value, self._inventory.value

    async def _changed(self, seen: tuple[object, object]) -> None:
        async for _ in changes(self._devices, self._inventory):
            if self._hardware() != seen:
                return

    async def _assess(self) -> None:
        async for _ in changes(self._devices, self._inventory, self.preparation.claims):
            claims = self.preparation.claims.value or {}
            now = device_health(
                self._settings.pool, self._devices.value, claims, self._inventory.value
            )
            if now != self._health.value:
                self._health.set(now)
