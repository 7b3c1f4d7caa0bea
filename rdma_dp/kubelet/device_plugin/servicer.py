"""The DevicePlugin service of one resource: it observes the newest pool and answers from it."""

import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import grpc
from google.protobuf.message import DecodeError

from rdma_dp.aio.latest import Latest, Observable, changes
from rdma_dp.aio.threads import in_thread
from rdma_dp.inventory.verdicts import Unhealthy, UnhealthyCode
from rdma_dp.kubelet.api import deviceplugin_pb2 as pb
from rdma_dp.kubelet.api import deviceplugin_pb2_grpc as rpc
from rdma_dp.kubelet.device_plugin import messages
from rdma_dp.kubelet.device_plugin.handover_state import Handover, HandoverState
from rdma_dp.kubelet.device_plugin.prepared import PreparedAnswers
from rdma_dp.log import Notice
from rdma_dp.metrics import Metrics
from rdma_dp.sharing.allocation import NoHcaError, UnknownSlotError
from rdma_dp.sharing.pool import Pool
from rdma_dp.text import one_line

logger = logging.getLogger(__name__)

# Why no slot is healthy while a resource is handed over.
_HANDED_OVER = Unhealthy(UnhealthyCode.HANDED_OVER, "this process ends")

# Slots in a request from which on it is answered in a thread: about a millisecond of work.
_MANY = 1000

_SERVICE = pb.DESCRIPTOR.services_by_name["DevicePlugin"].full_name

R = TypeVar("R")
Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True)
class Streams:
    """How many ListAndWatch streams kubelet has opened, and how many of them have ended.

    All numbers only grow: a stream that opens and ends while no observer runs is still seen.
    `ended` are those that this process has ended itself: each of the first `unwanted` ones that
    is open. `closed` are all others.
    """

    opened: int = 0
    closed: int = 0
    ended: int = 0
    unwanted: int = 0

    @property
    def open(self) -> int:
        """How many are open now."""
        return self.opened - self.closed - self.ended

    def after(self, number: int) -> "Streams":
        """After the end of the stream with this number, from 0 on."""
        if number < self.unwanted:
            return replace(self, ended=self.ended + 1)
        return replace(self, closed=self.closed + 1)


def add_to_server(plugin: "Plugin", server: grpc.aio.Server) -> None:
    """Serve the plugin. The generated code alone would parse all requests of Allocate."""
    rpc.add_DevicePluginServicer_to_server(plugin, server)
    allocate: grpc.RpcMethodHandler[bytes, bytes]
    allocate = grpc.unary_unary_rpc_method_handler(plugin.allocate)
    server.add_registered_method_handlers(_SERVICE, {"Allocate": allocate})


class Plugin(rpc.DevicePluginServicer):
    """Answers kubelet for one resource.

    `streams` counts the ListAndWatch streams: registration observes it, because a stream that
    kubelet closes means that kubelet counts the resource's slots as unhealthy. `connected_at` is
    since when there is one, in seconds since 1970; `trouble` is what last kept it from that.
    `registered` is whether kubelet has accepted it, and it was not lost since. `handover` is where
    it stands in a hand-over: see registration/handover.py.
    """

    def __init__(self, pool: Observable[Pool], metrics: Metrics | None = None) -> None:
        self._pool = pool
        self._prepared = PreparedAnswers(pool.value)
        self._metrics = metrics or Metrics()
        self.registered = False
        self.resource = pool.value.resource.full_name
        self._allocations = self._metrics.allocations_of(self.resource)
        self.trouble = Notice(self._say)
        self.streams = Latest(Streams())
        self.connected_at: float | None = None
        self.handover = Latest(Handover())

    def _say(self, trouble: str) -> None:
        logger.warning("%s: %s", self.resource, trouble)

    @property
    def pool(self) -> Pool:
        """The newest pool."""
        return self._pool.value

    @property
    def _answers(self) -> PreparedAnswers:
        """The answers of the newest pool, and never those of the one before."""
        pool = self._pool.value
        if self._prepared.pool is not pool:
            self._prepared = PreparedAnswers(pool)
        return self._prepared

    @property
    def options(self) -> pb.DevicePluginOptions:
        """What kubelet should call."""
        return messages.options(self._pool.value.resource)

    def note_registered(self) -> None:
        """kubelet has accepted a registration."""
        self.registered = True
        self._metrics.registrations.add(self.resource)

    def note_lost(self, reason: str) -> None:
        """The registration was lost, or could not be made. `reason` is the code of a Lost."""
        self.registered = False
        self._metrics.registrations_lost.add(self.resource, reason)

    def forget_streams(self) -> None:
        """Counts anew: those of a server that has stopped end, but not necessarily at once."""
        self.streams = Latest(Streams())
        self.connected_at = None

    async def end_older_streams(self) -> None:
        """Ends all streams but the newest one. Returns when they have ended."""
        streams = self.streams
        streams.set(replace(streams.value, unwanted=max(streams.value.opened - 1, 0)))
        await streams.until(lambda now: now.open <= 1)

    async def GetDevicePluginOptions(self, request: pb.Empty, context: Context) -> Any:
        """What kubelet should call; an error while a registration is to fail."""
        now = self.handover.value
        if now.refuses:
            reason = f"rdma-dp (pid {os.getpid()}) registers {self.resource} anew"
            if now.successor is None:
                self.handover.set(replace(now, refused=True))
            else:
                reason = (
                    f"rdma-dp (pid {os.getpid()}) ends and hands {self.resource} over to"
                    f" {now.successor}"
                )
                self.handover.set(replace(now, state=HandoverState.HANDED_OVER))
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, reason)
        return self.options

    async def ListAndWatch(self, request: pb.Empty, context: Context) -> AsyncIterator[Any]:
        """The whole newest list at once, then after each change, to every stream alike."""
        streams = self.streams
        number = streams.value.opened
        streams.set(replace(streams.value, opened=number + 1))
        self.connected_at = self.connected_at or time.time()
        try:
            sent = None
            async for _ in changes(self._pool, self.handover, streams):
                if number < streams.value.unwanted:
                    return
                pool = self._pool.value
                if self.handover.value.withheld:
                    pool = pool.withheld(_HANDED_OVER)
                if pool.listing != sent:
                    sent = pool.listing
                    yield await in_thread(messages.device_list, pool)  # 10 ms for 10,000 slots
        finally:
            streams.set(streams.value.after(number))
            if not self.streams.value.open:
                self.connected_at = None

    async def Allocate(self, request: pb.AllocateRequest, context: Context) -> Any:
        """The nodes and variables for each container, as a serialized AllocateResponse."""
        return await self.allocate(request.SerializeToString(), context)

    async def allocate(self, request: bytes, context: Context) -> Any:
        """Allocate for a serialized request; an error that its pod's owner can read.

        kubelet asks for the same slots again when pods come and go. An answer that is kept is
        found by the request as it came: to parse it and to read its ids would take longer than all
        the rest.
        """
        begun, answers = time.perf_counter(), self._answers
        if (known := answers.known(request)) is not None:
            self._allocations.add("ok", time.perf_counter() - begun, known.slots)
            return known.content
        result, sizes = "error", []
        try:
            parsed = pb.AllocateRequest.FromString(request)
            sizes = [len(each.devices_ids) for each in parsed.container_requests]
            await _refuse_excess(context, sizes, answers.pool)
            response = await _worked(sum(sizes), answers.allocations, parsed)
            result = "ok"
        except DecodeError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"no AllocateRequest: {error}")
        except UnknownSlotError as error:
            result = "unknown-slot"
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, one_line(str(error)))
        except NoHcaError as error:
            result = "no-hca"
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, one_line(str(error)))
        finally:
            slots = sum(sizes) if result == "ok" else 0
            self._allocations.add(result, time.perf_counter() - begun, slots)
        if len(sizes) == 1 and sizes[0] < _MANY:  # no thread has made it
            answers.keep(request, response, sizes[0])
        return response

    async def GetPreferredAllocation(
        self, request: pb.PreferredAllocationRequest, context: Context
    ) -> Any:
        """Which of the free slots each container should get."""
        pool = self._pool.value
        sizes = [
            len(each.available_deviceIDs) + len(each.must_include_deviceIDs)
            for each in request.container_requests
        ]
        await _refuse_excess(context, sizes, pool)
        answers = self._answers
        size = sum(sizes) + (0 if answers.indexed else pool.listed)
        return await _worked(size, answers.preferences, request)

    async def PreStartContainer(
        self, request: pb.PreStartContainerRequest, context: Context
    ) -> Any:
        """Nothing to do before a container starts."""
        return pb.PreStartContainerResponse()


async def _refuse_excess(context: Context, sizes: Sequence[int], pool: Pool) -> None:
    if reason := messages.excess(sizes, pool.listed):
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, reason)


async def _worked(size: int, work: Callable[..., R], *arguments: Any) -> R:
    return work(*arguments) if size < _MANY else await in_thread(work, *arguments)
