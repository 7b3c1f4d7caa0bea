"""The DriverStatus service on the socket of a DRA driver: how the driver stands, for the doctor."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc

from rdma_dp import __version__
from rdma_dp.errors import FAILED_READ
from rdma_dp.host.files import Host
from rdma_dp.kubelet.api import status_pb2 as pb
from rdma_dp.kubelet.api import status_pb2_grpc as rpc
from rdma_dp.kubelet.dra.driver_registration import DriverRegistration
from rdma_dp.kubelet.dra.preparation import Preparation
from rdma_dp.metrics import SliceFacts

_MOST_CLAIMS = 1000  # in one answer


class DriverStatusService(rpc.DriverStatusServicer):
    """Answers the doctor for one driver."""

    def __init__(
        self,
        node: str,
        directory: Path,
        preparation: Preparation,
        facts: SliceFacts,
        registration: Callable[[], DriverRegistration],
    ) -> None:
        self._node = node
        self._directory = directory
        self._preparation = preparation
        self._registration = registration
        self._facts = facts

    def add_to(self, server: grpc.aio.Server) -> None:
        """Adds this service to a server."""
        rpc.add_DriverStatusServicer_to_server(self, server)

    async def Get(
        self, request: pb.DriverStatusRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> Any:
        """How the driver stands at this moment."""
        registration, facts = self._registration(), self._facts
        claims = self._preparation.claims.value or {}
        return pb.DriverStatusReply(
            version=__version__,
            driver=registration.driver,
            node=self._node,
            registered=registration.registered.value,
            trouble=registration.trouble or "",
            listed=facts.published is not None,
            slices=facts.published or 0,
            devices=facts.devices,
            current=facts.current,
            failure=facts.problem or "",
            lacking_gates=facts.lacking_gates,
            claims=[str(each.ref) for each in claims.values()][:_MOST_CLAIMS],
            directory=str(self._directory),
            directory_is_kept=_is_kept(self._directory),
            stuck_claims=self._preparation.stuck[:_MOST_CLAIMS],
        )


def _is_kept(directory: Path) -> bool:
    """Whether a directory outlives the container. One in the overlay of its root does not."""
    try:
        if os.stat(directory).st_dev != os.stat("/").st_dev:  # noqa: PTH116 - st_dev is enough
            return True
        root = Host("/").lines_with("proc/self/mountinfo", (" / / ",)) or ()
    except FAILED_READ:
        return True  # not known
    return not any(" - overlay " in line for line in root[-1:])
