"""The DRAPlugin service: kubelet's requests to prepare and unprepare claims, v1 and v1beta1."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

import grpc

from rdma_dp.errors import FAILED_READ
from rdma_dp.kubelet.api import dra_beta_pb2_grpc, dra_pb2_grpc
from rdma_dp.kubelet.api import dra_pb2 as pb
from rdma_dp.kubelet.api import dra_pb2_grpc as rpc
from rdma_dp.kubelet.dra.claim_record import ClaimRecord, ClaimRef, HeldDevice
from rdma_dp.kubelet.sockets import AddServices
from rdma_dp.text import one_line

logger = logging.getLogger(__name__)

Context = grpc.aio.ServicerContext[Any, Any]
R = TypeVar("R")

# What is taken of one request. kubelet sends the claims of one pod.
_MOST_CLAIMS = 1000


class Claims(Protocol):
    """What prepares claims. Both calls raise RdmaDpError and OSError."""

    async def prepare(self, ref: ClaimRef) -> ClaimRecord:
        """What the claim's containers get."""

    async def unprepare(self, ref: ClaimRef) -> None:
        """Releases the claim. An unknown one is no error."""


class ClaimService(rpc.DRAPluginServicer):
    """Answers kubelet: one result for each claim, so that one failure fails no other claim."""

    def __init__(self, claims: Claims) -> None:
        self._claims = claims

    async def NodePrepareResources(
        self, request: pb.NodePrepareResourcesRequest, context: Context
    ) -> Any:
        """The devices of each claim, or an error that its pod's owner can read in an event."""
        refs = await _refs(request.claims, context)
        found = await asyncio.gather(*(self._prepared(ref) for ref in refs))
        return pb.NodePrepareResourcesResponse(claims=dict(zip(_uids(refs), found, strict=True)))

    async def NodeUnprepareResources(
        self, request: pb.NodeUnprepareResourcesRequest, context: Context
    ) -> Any:
        """Releases each claim."""
        refs = await _refs(request.claims, context)
        found = await asyncio.gather(*(self._unprepared(ref) for ref in refs))
        return pb.NodeUnprepareResourcesResponse(claims=dict(zip(_uids(refs), found, strict=True)))

    async def _prepared(self, ref: ClaimRef) -> pb.NodePrepareResourceResponse:
        record, error = await _tried("prepare", ref, self._claims.prepare)
        if record is None:
            return pb.NodePrepareResourceResponse(error=error)
        return pb.NodePrepareResourceResponse(devices=[_device(each) for each in record.devices])

    async def _unprepared(self, ref: ClaimRef) -> pb.NodeUnprepareResourceResponse:
        _, error = await _tried("unprepare", ref, self._claims.unprepare)
        return pb.NodeUnprepareResourceResponse(error=error)


async def _tried(
    verb: str, ref: ClaimRef, work: Callable[[ClaimRef], Awaitable[R]]
) -> tuple[R | None, str]:
    try:
        return await work(ref), ""
    except FAILED_READ as error:
        text = one_line(str(error)) or type(error).__name__
        logger.warning("cannot %s the claim %s: %s", verb, ref, text)
        return None, text
    except Exception as error:
        logger.exception("cannot %s the claim %s", verb, ref)
        return None, f"{type(error).__name__}: the log of rdma-dp has more"


def _device(prepared: HeldDevice) -> pb.Device:
    return pb.Device(
        request_names=[prepared.request],
        pool_name=prepared.pool,
        device_name=prepared.device,
        cdi_device_ids=[prepared.cdi.full_name],
        share_id=prepared.share_id,
    )


async def _refs(claims: Sequence[pb.Claim], context: Context) -> Sequence[ClaimRef]:
    """Each claim of a request once: an answer has one entry for a UID."""
    if len(claims) > _MOST_CLAIMS:
        reason = f"{len(claims)} claims in one request: at most {_MOST_CLAIMS} are taken"
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, reason)
    return [*{each.uid: ClaimRef(each.namespace, each.name, each.uid) for each in claims}.values()]


def _uids(refs: Iterable[ClaimRef]) -> list[str]:
    return [ref.uid for ref in refs]


def claim_services(claims: Claims) -> list[AddServices]:
    """The service in both of its versions, which have the same messages."""
    service = ClaimService(claims)
    return [
        lambda server: dra_pb2_grpc.add_DRAPluginServicer_to_server(service, server),
        lambda server: dra_beta_pb2_grpc.add_DRAPluginServicer_to_server(service, server),  # type: ignore[arg-type]
    ]
