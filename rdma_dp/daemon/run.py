"""The daemon as a process: signals, and the reason for its end."""

import asyncio
import logging
import signal

from rdma_dp.aio.latest import first_of
from rdma_dp.daemon.daemon import Daemon
from rdma_dp.daemon.settings import Settings
from rdma_dp.errors import RdmaDpError
from rdma_dp.host.descriptors import raise_descriptor_limit

logger = logging.getLogger(__name__)


async def run(settings: Settings) -> None:
    """Runs until SIGTERM, SIGINT or SIGQUIT, as the Go plugin. SIGHUP reads the config at once.

    Raises RdmaDpError when the daemon cannot start.
    """
    raise_descriptor_limit()
    daemon, stop = Daemon(settings), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, daemon.config_file.demand)
    try:
        await first_of(_until_set(stop), daemon.run())
    except BaseExceptionGroup as group:
        reason = _first_leaf(group)
        if isinstance(reason, RdmaDpError):
            raise reason from None
        raise
    logger.info("stopped")


async def _until_set(event: asyncio.Event) -> None:
    await event.wait()
    logger.info("asked to stop")


def _first_leaf(group: BaseException) -> BaseException:
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group
