"""Asks kubelet's pod-resources API for healthy slots and their holders."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import grpc

from rdma_dp.kubelet.api import podresources_pb2, podresources_pb2_grpc
from rdma_dp.kubelet.clients.channel import DEADLINE, OPTIONS, UnintelligibleError, intelligible
from rdma_dp.kubelet.sockets import state_of
from rdma_dp.kubelet.statuses import SocketState
from rdma_dp.kubelet.views import HeldClaim, Holder, PodResources


async def pod_resources(path: Path) -> PodResources | str:
    """kubelet's record, or the reason why it could not be read."""
    state = state_of(path)
    if state is None:
        return f"there is no {path}"
    if state is not SocketState.ANSWERS:
        return f"{path}: {_WHY_NOT[state]}"
    try:
        async with (
            asyncio.timeout(2 * DEADLINE),
            grpc.aio.insecure_channel(f"unix:{path}", options=OPTIONS) as channel,
        ):
            return await _book(podresources_pb2_grpc.PodResourcesListerStub(channel))
    except grpc.aio.AioRpcError as error:
        return f"{path}: {error.code().name}: {error.details()}"
    except UnintelligibleError:
        return f"{path}: the answer is not a list of pods"
    except TimeoutError:
        return f"{path}: {_WHY_NOT[SocketState.SILENT]}"


_WHY_NOT = {
    SocketState.STALE: "no process listens",
    SocketState.SILENT: "no answer in time",
    SocketState.REFUSED: "connecting is refused; run as root",
}


async def _book(stub: Any) -> PodResources:
    calls = (
        stub.GetAllocatableResources(
            podresources_pb2.AllocatableResourcesRequest(), timeout=DEADLINE
        ),
        stub.List(podresources_pb2.ListPodResourcesRequest(), timeout=DEADLINE),
    )
    allocatable, listed = await asyncio.gather(*map(intelligible, calls))
    counts: Counter[str] = Counter()
    for devices in allocatable.devices:
        counts[devices.resource_name] += len(devices.device_ids)
    return PodResources(dict(counts), _holders(listed), _claims(listed))


def _holders(listed: podresources_pb2.ListPodResourcesResponse) -> tuple[Holder, ...]:
    # kubelet has one entry per resource and NUMA node. Merge those of one resource.
    held: dict[tuple[str, str, str, str], list[str]] = {}
    for pod in listed.pod_resources:
        for container in pod.containers:
            for devices in container.devices:
                key = (pod.namespace, pod.name, container.name, devices.resource_name)
                held.setdefault(key, []).extend(devices.device_ids)
    return tuple(Holder(*key, tuple(ids)) for key, ids in held.items())


def _claims(listed: podresources_pb2.ListPodResourcesResponse) -> tuple[HeldClaim, ...]:
    # kubelet lists a device twice after a claim was prepared twice.
    found = dict.fromkeys(
        HeldClaim(
            given.claim_namespace, pod.name, container.name, given.claim_name, each.driver_name
        )
        for pod in listed.pod_resources
        for container in pod.containers
        for given in container.dynamic_resources
        for each in given.claim_resources
    )
    return tuple(found)
