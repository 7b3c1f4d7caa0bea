"""Keeps the feature file, of which Node Feature Discovery makes node labels.

The file stays when the daemon stops: during an update the labels must not change. It is removed
when no resource has an HCA.
"""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from rdma_dp.aio.backoff import Backoff
from rdma_dp.aio.latest import Observable, first_of
from rdma_dp.aio.threads import in_thread
from rdma_dp.discovery.gpudirect import interfaces_to_gpu_memory
from rdma_dp.errors import FAILED_READ, reason_of
from rdma_dp.host.files import Host
from rdma_dp.log import Notice
from rdma_dp.sharing.state import NodeState
from rdma_dp.specs import node_features
from rdma_dp.specs.directory import OwnFiles

logger = logging.getLogger(__name__)


async def follow(states: Observable[NodeState], directory: Path, host: Host) -> None:
    """Keeps the file in `directory` what each state says, until it is cancelled.

    `host` has the drivers of GPUs, which are read for this file alone.

    After a failure it tries again. The log has one line for all failures until it succeeds.
    """
    file, backoff = _FeatureFile(directory, host), Backoff()
    failure = Notice(
        lambda text: logger.warning("the node labels are outdated: %s", text),
        lambda: logger.info("the node labels are current again"),
    )
    while True:
        state = states.value
        why = await in_thread(file.write, state)
        if why is None:
            failure.set(None)
            backoff.reset()
            await _change(states, state)
        else:
            failure.set(failure.text or why)
            await first_of(_change(states, state), asyncio.sleep(backoff.delay()))


async def _change(states: Observable[NodeState], state: NodeState) -> None:
    await states.until(lambda newest: newest is not state)


class _FeatureFile:
    """The file, and the rates that its text needs."""

    def __init__(self, directory: Path, host: Host) -> None:
        self._host = host
        self._files = OwnFiles(directory)
        self._rates = node_features.NO_RATES

    def write(self, state: NodeState) -> str | None:
        """Writes or removes the file, if that changes it. Returns why it could not."""
        self._rates = node_features.known_rates(state.hcas, self._rates)
        try:
            gpudirect = interfaces_to_gpu_memory(self._host, state.hcas)
            text = node_features.text(state.hcas, self._rates, gpudirect)
            wanted = {} if text is None else {node_features.FILE_NAME: text}
            failures = {
                **self._files.write(wanted, _is_ours),
                **self._files.clear(wanted, _is_ours),
            }
        except FAILED_READ as error:
            return reason_of(error)
        return next(map(str, failures.values()), None)


def _is_ours(name: str, read: Callable[[], bytes]) -> bool:
    return name == node_features.FILE_NAME and node_features.is_ours(name, read())
