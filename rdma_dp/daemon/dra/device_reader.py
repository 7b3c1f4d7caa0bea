"""What a state offers by DRA: the devices, for the slices and for claims."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from rdma_dp.aio.backoff import Backoff
from rdma_dp.aio.latest import Latest, Part, first_of
from rdma_dp.aio.threads import in_thread
from rdma_dp.config import DraSettings
from rdma_dp.daemon.dra.dra_parts import DraParts, offers
from rdma_dp.discovery.firmware import read_firmware
from rdma_dp.discovery.pcie_topology import read_topology
from rdma_dp.dra.devices import Attributes, DraDevice, dra_devices
from rdma_dp.errors import FAILED_READ, reason_of
from rdma_dp.inventory.hardware import Inventory
from rdma_dp.inventory.topology import Topology
from rdma_dp.log import Notice
from rdma_dp.sharing.state import NodeState

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Offer:
    """The devices of one driver on this node.

    `settings` is None when no resource is offered under the driver's name, and before a first read.
    """

    settings: DraSettings | None = None
    devices: tuple[DraDevice, ...] = ()


class DeviceReader:
    """Keeps `offer` and `devices` equal to what the newest state offers.

    The PCIe topology and the firmware versions are read once for each inventory.
    """

    def __init__(self, parts: DraParts, driver: str) -> None:
        self._parts = parts
        self._driver = driver
        self._reading = asyncio.Lock()
        self._known: Mapping[str, Attributes] = MappingProxyType({})
        self._hardware: tuple[Inventory, Topology, Mapping[str, str]] | None = None
        self._failure = Notice(
            lambda text: logger.error("the devices of DRA are outdated: %s", text),
            lambda: logger.info("the devices of DRA are current again"),
        )
        self.offer = Latest(Offer())
        self.devices = Part(self.offer, lambda offer: offer.devices)

    async def run(self) -> None:
        """Runs until it is cancelled."""
        backoff = Backoff()
        while True:
            state = self._parts.states.value
            if await self.read():
                backoff.reset()
                await self._change(state)
            else:
                await first_of(self._change(state), asyncio.sleep(backoff.delay()))

    async def read(self) -> bool:
        """Makes the offer of the newest state. Returns whether it could."""
        async with self._reading:
            try:
                offer = await in_thread(self._offer, self._parts.states.value)
            except FAILED_READ as error:
                self._failure.set(reason_of(error))
                return False
            self._failure.set(None)
            self._known = MappingProxyType({each.name: each.attributes for each in offer.devices})
            if offer != self.offer.value:
                self.offer.set(offer)
            return True

    async def remember(self, attributes: Mapping[str, Attributes]) -> None:
        """Takes what an earlier process published, for values that cannot be read at the moment."""
        self._known = MappingProxyType({**self._known, **attributes})
        await self.read()

    async def _change(self, state: NodeState) -> None:
        await self._parts.states.until(lambda newest: newest is not state)

    def _offer(self, state: NodeState) -> Offer:
        if not offers(state.config, self._driver):
            return Offer()
        topology, firmware = self._read_hardware(state.inventory)
        settings, pools = state.config.dra, state.pools.values()
        return Offer(settings, dra_devices(pools, topology, settings, firmware, self._known))

    def _read_hardware(self, inventory: Inventory) -> tuple[Topology, Mapping[str, str]]:
        if self._hardware is None or self._hardware[0] is not inventory:
            host = self._parts.host
            self._hardware = (
                inventory,
                read_topology(host, inventory),
                read_firmware(host, inventory),
            )
        return self._hardware[1:]
