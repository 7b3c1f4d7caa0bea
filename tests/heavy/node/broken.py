"""Plugins with a deliberate fault: `python -m tests.heavy.node.broken FAULT run ...`.

`RDMA_DP_TEST_BROKEN=FAULT make test-node` must fail. That shows that the tests notice the fault.
"""

import asyncio
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from rdma_dp.cli import main as cli
from rdma_dp.config import CdiMode
from rdma_dp.kubelet.api import deviceplugin_pb2 as pb
from rdma_dp.kubelet.device_plugin import messages, servicer
from rdma_dp.kubelet.sockets import SocketServer
from rdma_dp.sharing.allocation import Grant
from rdma_dp.sharing.pool import Pool


def registers_once() -> Any:
    """It registers when it starts and never again."""
    start, started = SocketServer.start, set[Path]()

    async def once(self: SocketServer) -> None:
        if self.path in started:
            await asyncio.Event().wait()
        started.add(self.path)
        await start(self)

    return patch.object(SocketServer, "start", once)


def drops_an_id() -> Any:
    """It leaves an id out of each list after the first one that is not all Healthy."""
    device_list = messages.device_list

    def without_the_last(pool: Pool) -> pb.ListAndWatchResponse:
        listed = device_list(pool)
        if not pool.all_healthy:
            del listed.devices[-1]
        return listed

    return patch.object(messages, "device_list", without_the_last)


def forgets_an_id() -> Any:
    """It never lists the last id."""
    device_list = messages.device_list

    def without_the_last(pool: Pool) -> pb.ListAndWatchResponse:
        listed = device_list(pool)
        del listed.devices[-1]
        return listed

    return patch.object(messages, "device_list", without_the_last)


def answers_a_wrong_node() -> Any:
    """It gives containers the node of an HCA that does not belong to the resource."""
    allocate_response = messages.allocate_response

    def wrong(grants: Iterable[Grant], cdi: CdiMode) -> pb.AllocateResponse:
        answer = allocate_response(grants, cdi)
        for container in answer.container_responses:
            device = next(each for each in container.devices if "uverbs" in each.host_path)
            device.host_path = "/dev/infiniband/uverbs1"
        return answer

    return patch.object(messages, "allocate_response", wrong)


def lists_but_once() -> Any:
    """It sends only its first list."""

    async def first_only(
        self: servicer.Plugin, request: pb.Empty, context: servicer.Context
    ) -> Any:
        self.streams.set(servicer.Streams(opened=self.streams.value.opened + 1))
        yield messages.device_list(self._pool.value)
        await asyncio.Event().wait()

    return patch.object(servicer.Plugin, "ListAndWatch", first_only)


FAULTS: dict[str, Callable[[], Any]] = {
    fault.__name__.replace("_", "-"): fault
    for fault in (
        *(registers_once, drops_an_id, forgets_an_id, answers_a_wrong_node, lists_but_once),
    )
}


if __name__ == "__main__":
    fault = FAULTS[sys.argv[1]]
    with fault():
        sys.exit(cli.main(sys.argv[2:]))
