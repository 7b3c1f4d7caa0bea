"""Admits containers as kubelet does: it chooses devices and calls the plugin."""

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import grpc

from rdma_dp.errors import RdmaDpError
from rdma_dp.kubelet.api import deviceplugin_pb2 as pb
from simulator.kubelet.client import PluginClient, cut_by_grpc
from simulator.kubelet.devices import DeviceTable
from simulator.kubelet.events import Allocated
from simulator.kubelet.generations import Endpoint
from simulator.kubelet.journal import Journal
from simulator.kubelet.manager import DeviceManager

Answer = TypeVar("Answer")

PRE_START_TIMEOUT = 30.0  # seconds; kubelet, deviceplugin/v1beta1/constants.go


class UnexpectedAdmissionError(RdmaDpError):
    """The pod is Failed, with this text in its status.

    `details` is the reason: the plugin's message if `code` is set, else kubelet's.
    """

    def __init__(self, details: str, code: grpc.StatusCode | None = None) -> None:
        reason = details if code is None else f"rpc error: code = {code.name} desc = {details}"
        super().__init__(f"Allocate failed due to {reason}, which is unexpected")
        self.details = details
        self.code = code


@dataclass(frozen=True, slots=True)
class Allocation:
    """What a container got: the ids, and the plugin's answer."""

    resource: str
    ids: tuple[str, ...]
    answer: pb.ContainerAllocateResponse


class Admission:
    """Admits one container at a time, as kubelet does."""

    def __init__(self, manager: DeviceManager, devices: DeviceTable, journal: Journal) -> None:
        self._manager = manager
        self._devices = devices
        self._journal = journal
        self._turn = asyncio.Lock()

    async def allocate(self, resource: str, count: int, ids: Iterable[str] | None) -> Allocation:
        """Give `count` devices of `resource` to a container, or exactly `ids`, unchecked.

        Raises UnexpectedAdmissionError.
        """
        async with self._turn:
            chosen = tuple(ids) if ids is not None else await self._choose(resource, count)
            taken_now = set(chosen) - self._devices.allocated(resource)
            self._devices.take(resource, taken_now)
            try:
                answer = await self._ask(resource, chosen)
            except BaseException:
                self._devices.release(resource, taken_now)
                raise
        self._journal.record(Allocated(resource, chosen))
        return Allocation(resource, chosen, answer)

    async def start_container(self, allocation: Allocation) -> None:
        """Call PreStartContainer if the plugin's options ask for it."""
        endpoint = self._endpoint(allocation.resource)
        if not (endpoint.options and endpoint.options.pre_start_required):
            return
        request = pb.PreStartContainerRequest(devices_ids=allocation.ids)
        stub = _client(endpoint).stub
        await _answer(stub.PreStartContainer(request, timeout=PRE_START_TIMEOUT))

    async def _ask(self, resource: str, ids: Sequence[str]) -> pb.ContainerAllocateResponse:
        stub = _client(self._endpoint(resource)).stub
        container = pb.ContainerAllocateRequest(devices_ids=ids)
        request = pb.AllocateRequest(container_requests=[container])
        response = await _answer(stub.Allocate(request))
        if not response.container_responses:
            raise UnexpectedAdmissionError("no containers return in allocation response")
        return response.container_responses[0]

    async def _choose(self, resource: str, count: int) -> tuple[str, ...]:
        endpoint = self._endpoint(resource)
        if not self._devices.lists[resource].healthy:
            raise UnexpectedAdmissionError(
                f"no healthy devices present; cannot allocate unhealthy devices {resource}"
            )
        free = self._devices.free(resource)
        if len(free) < count:
            raise UnexpectedAdmissionError(
                f"requested number of devices unavailable for {resource}. "
                f"Requested: {count}, Available: {len(free)}"
            )
        preferred = await self._preferred(endpoint, free, count)
        first = [id_ for id_ in free if id_ in preferred]
        rest = [id_ for id_ in free if id_ not in preferred]
        return tuple((first + rest)[:count])

    async def _preferred(self, endpoint: Endpoint, free: Sequence[str], count: int) -> set[str]:
        if not (endpoint.options and endpoint.options.get_preferred_allocation_available):
            return set()
        container = pb.ContainerPreferredAllocationRequest(
            available_deviceIDs=free, allocation_size=count
        )
        request = pb.PreferredAllocationRequest(container_requests=[container])
        response = await _answer(_client(endpoint).stub.GetPreferredAllocation(request))
        answers = response.container_responses
        return set(answers[0].deviceIDs) if answers else set()

    def _endpoint(self, resource: str) -> Endpoint:
        endpoint = self._manager.endpoints.get(resource)
        if endpoint is None or resource not in self._devices.lists:
            raise UnexpectedAdmissionError(
                f"cannot allocate unregistered device {resource}; a pod that is bound directly "
                f"would run without it"
            )
        return endpoint


def _client(endpoint: Endpoint) -> PluginClient:
    if endpoint.stopped or endpoint.client is None:
        raise UnexpectedAdmissionError("the plugin's endpoint has been stopped")
    return endpoint.client


async def _answer(call: Awaitable[Answer]) -> Answer:
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        raise UnexpectedAdmissionError(error.details() or "", error.code()) from error
    except asyncio.CancelledError as error:
        if not cut_by_grpc():
            raise
        cancelled = grpc.StatusCode.CANCELLED
        raise UnexpectedAdmissionError("the client connection is closing", cancelled) from error
