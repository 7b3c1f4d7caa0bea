"""DRA in the daemon: devices are published in ResourceSlices, and claims are prepared.

Everything here observes the states of the node, as kubelet's device plugin streams do:

    states -> devices (device_reader) -> slices on the API server (slice_publisher)
                                      -> claims that kubelet asks for (prepared_claims)

It is imported only when some resource is via DRA (dra_switch).
"""

import asyncio
import logging
from functools import partial

from rdma_dp.aio.latest import first_of
from rdma_dp.aio.tasks import start
from rdma_dp.api_server.api_client import ApiClient
from rdma_dp.api_server.credentials import credentials_of
from rdma_dp.api_server.dra_api import DraApi
from rdma_dp.daemon.dra.device_reader import DeviceReader
from rdma_dp.daemon.dra.dra_parts import DraParts, offers
from rdma_dp.daemon.dra.prepared_claims import Claims
from rdma_dp.daemon.dra.slice_publisher import SlicePublisher

logger = logging.getLogger(__name__)

# Seconds for the answer to kubelet's last request. kubelet closes the connection when the socket is
# gone, and a pod whose claim it could not unprepare would never end: no driver is left to ask.
_ANSWER = 1.0


async def run_dra(parts: DraParts, driver: str) -> None:
    """Runs one driver until nothing of it is left.

    That is when no resource is offered under its name any more, its slices are gone, and the node
    has no claim of it.
    """
    logger.info("the DRA driver %s starts", driver)
    credentials = partial(credentials_of, parts.environment)
    async with ApiClient(credentials, parts.metrics.api_errors) as client:
        api = DraApi(client, parts.node, driver)
        reader = DeviceReader(parts, driver)
        await reader.read()
        publisher = SlicePublisher(api, reader, parts.served, parts.metrics)
        claims = Claims(parts, reader.devices, api)
        work = _run(reader, publisher, claims)
        await first_of(work, _until_over(parts, driver, publisher, claims))
    logger.info("the DRA driver %s has ended: no resource is via DRA under this name", driver)


async def _run(reader: DeviceReader, publisher: SlicePublisher, claims: Claims) -> None:
    async with asyncio.TaskGroup() as tasks:
        start(tasks, "DRA devices", reader.run())
        start(tasks, "ResourceSlices", publisher.run())
        start(tasks, "DRA claims", claims.run())


async def _until_over(
    parts: DraParts, driver: str, publisher: SlicePublisher, claims: Claims
) -> None:
    while True:
        await parts.states.until(lambda state: not offers(state.config, driver))
        await publisher.withdrawn.until(bool)
        await claims.prepared.until(lambda count: count == 0)
        await asyncio.sleep(_ANSWER)
        offered = offers(parts.states.value.config, driver)
        if not offered and publisher.withdrawn.value and claims.prepared.value == 0:
            return
