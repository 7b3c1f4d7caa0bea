"""The simulated pod-resources API (kubelet's pkg/kubelet/apis/podresources)."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from rdma_dp.kubelet.api import podresources_pb2 as pb
from rdma_dp.kubelet.api import podresources_pb2_grpc as rpc
from simulator.kubelet.admission import Allocation
from simulator.kubelet.devices import DeviceTable
from simulator.kubelet.dra_claims import ClaimInfo, ListedClaim

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True)
class ContainerName:
    """The name of a container."""

    namespace: str
    pod: str
    container: str


Holders = Mapping[ContainerName, list[Allocation]]


class PodResourcesServer:
    """Serves on `directory`/kubelet.sock from `start` to `stop`."""

    def __init__(
        self,
        directory: Path,
        devices: DeviceTable,
        holders: Holders,
        claims: Callable[[], Iterable[ListedClaim]] = tuple,
    ) -> None:
        self._directory = directory
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        rpc.add_PodResourcesListerServicer_to_server(
            _Lister(devices, lambda: holders, claims), self._server
        )

    async def start(self) -> None:
        """Make the socket and serve."""
        self._directory.mkdir(exist_ok=True)
        socket = self._directory / "kubelet.sock"
        socket.unlink(missing_ok=True)
        self._server.add_insecure_port(f"unix:{socket}")
        await self._server.start()

    async def stop(self) -> None:
        """Stop serving at once."""
        await self._server.stop(None)


class _Lister(rpc.PodResourcesListerServicer):
    def __init__(
        self,
        devices: DeviceTable,
        holders: Callable[[], Holders],
        claims: Callable[[], Iterable[ListedClaim]],
    ) -> None:
        self._devices = devices
        self._holders = holders
        self._claims = claims

    async def GetAllocatableResources(  # noqa: N802 - the wire's name
        self,
        request: pb.AllocatableResourcesRequest,  # noqa: ARG002 - the wire's signature
        context: Context,  # noqa: ARG002
    ) -> pb.AllocatableResourcesResponse:
        """The healthy devices, allocated or free. kubelet has an entry for each device."""
        return pb.AllocatableResourcesResponse(
            devices=[
                pb.ContainerDevices(resource_name=resource, device_ids=[id_])
                for resource, listed in self._devices.lists.items()
                for id_ in sorted(listed.healthy)
            ]
        )

    async def List(  # noqa: N802
        self,
        request: pb.ListPodResourcesRequest,  # noqa: ARG002
        context: Context,  # noqa: ARG002
    ) -> pb.ListPodResourcesResponse:
        """Each pod with its containers."""
        return self._book()

    async def Get(  # noqa: N802
        self, request: pb.GetPodResourcesRequest, context: Context
    ) -> pb.GetPodResourcesResponse:
        """As List, for one pod."""
        for pod in self._book().pod_resources:
            if (pod.namespace, pod.name) == (request.pod_namespace, request.pod_name):
                return pb.GetPodResourcesResponse(pod_resources=pod)
        return await context.abort(grpc.StatusCode.UNKNOWN, "pod not found")

    def _book(self) -> pb.ListPodResourcesResponse:
        pods: dict[tuple[str, str], pb.PodResources] = {}
        for name, allocations in self._holders().items():
            pod = pods.setdefault(
                (name.namespace, name.pod),
                pb.PodResources(namespace=name.namespace, name=name.pod),
            )
            pod.containers.add(name=name.container, devices=_entries(allocations))
        for pod_name, each in self._claims():
            key = (each.claim.namespace, pod_name)
            pod = pods.setdefault(key, pb.PodResources(namespace=key[0], name=key[1]))
            given = pb.DynamicResource(
                claim_name=each.claim.name,
                claim_namespace=each.claim.namespace,
                claim_resources=_given(each),
            )
            pod.containers.add(name=each.claim.name, dynamic_resources=[given])
        return pb.ListPodResourcesResponse(pod_resources=pods.values())


def _given(of: ClaimInfo) -> Iterator[pb.ClaimResource]:
    for device in of.devices:
        yield pb.ClaimResource(
            driver_name=of.driver,
            pool_name=device.pool,
            device_name=device.device,
            share_id=device.share_id,
            cdi_devices=[pb.CDIDevice(name=name) for name in device.cdi],
        )


def _entries(allocations: list[Allocation]) -> Iterator[pb.ContainerDevices]:
    for each in allocations:
        yield pb.ContainerDevices(resource_name=each.resource, device_ids=each.ids)
