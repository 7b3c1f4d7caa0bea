"""kubelet's side of DRA: claims of pods, prepared before a sandbox and unprepared after a pod.

As kubelet's pkg/kubelet/cm/dra/manager.go: all claims of a pod in one call, 45 seconds for it, one
unprepare for the last pod of a claim, and a checkpoint that outlives kubelet.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc

from rdma_dp.kubelet.api import dra_pb2 as pb
from simulator.kubelet.client import cut_by_grpc
from simulator.kubelet.dra_plugins import DriverTable

CALL_TIMEOUT = 45.0  # seconds; kubelet, pkg/kubelet/cm/dra/plugin/dra_plugin.go


class PrepareError(Exception):
    """The event FailedPrepareDynamicResources of a pod. kubelet tries again."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim of a pod."""

    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class PreparedDevice:
    """A device of a prepared claim. Without `requests` it is for all."""

    requests: tuple[str, ...]
    pool: str
    device: str
    cdi: tuple[str, ...]
    share_id: str | None


@dataclass(eq=False, slots=True)
class ClaimInfo:
    """What kubelet remembers of a claim: its pods, and the devices that the driver gave."""

    claim: Claim
    driver: str
    pods: set[str] = field(default_factory=set)
    devices: list[PreparedDevice] = field(default_factory=list)
    prepared: bool = False


# The name of a pod, and a claim of it.
ListedClaim = tuple[str, ClaimInfo]


class ClaimTable:
    """The claims of the pods on the node. It is kubelet's checkpoint: restarts keep it."""

    def __init__(self, drivers: DriverTable, call_timeout: float = CALL_TIMEOUT) -> None:
        self.drivers = drivers
        self._timeout = call_timeout
        self._claims: dict[str, ClaimInfo] = {}

    def forget_prepared(self) -> None:
        """After a restart of kubelet, the next sandbox prepares its claims again."""
        for info in self._claims.values():
            info.prepared = False

    def forget(self) -> None:
        """kubelet loses its checkpoint: it will never unprepare these claims."""
        self._claims.clear()

    @property
    def listed(self) -> list[ListedClaim]:
        """The claims of pods, as the pod-resources API lists them."""
        return [
            (pod, info)
            for info in self._claims.values()
            if info.prepared
            for pod in sorted(info.pods)
        ]

    async def start_pod(
        self, pod: str, driver: str, claims: Sequence[Claim]
    ) -> dict[str, list[PreparedDevice]]:
        """The devices of a pod's claims by UID, before its sandbox. Raises PrepareError."""
        infos = [self._claims.setdefault(each.uid, ClaimInfo(each, driver)) for each in claims]
        for info in infos:
            info.pods.add(pod)
        new = [info for info in infos if not info.prepared]
        if new:
            await self._prepare(driver, new)
        return {info.claim.uid: [*info.devices] for info in infos}

    async def end_pod(self, pod: str) -> None:
        """Unprepare what no other pod has. Raises PrepareError; then it is to be called again."""
        mine = [info for info in self._claims.values() if pod in info.pods]
        for driver in {info.driver for info in mine}:
            last = [i for i in mine if i.driver == driver and i.pods == {pod}]
            if last:
                await self._unprepare(driver, last)
        for info in mine:
            info.pods.discard(pod)
            if not info.pods:
                del self._claims[info.claim.uid]

    def cdi_ids(self, pod: str, request: str = "") -> list[str]:
        """The CDI names of a container that names this request, or none, of all the pod's claims.

        kubelet neither sorts them nor removes doubles.
        """
        return [
            name
            for info in self._claims.values()
            if pod in info.pods
            for device in info.devices
            if not (request and device.requests) or request in device.requests
            for name in device.cdi
        ]

    @property
    def uids(self) -> set[str]:
        """The UIDs of the claims that pods have."""
        return {*self._claims}

    async def _prepare(self, driver: str, infos: Sequence[ClaimInfo]) -> None:
        request = pb.NodePrepareResourcesRequest(claims=[_named(info) for info in infos])
        answer = await self._call(driver, "NodePrepareResources", request)
        _check(answer.claims, infos)
        for info in infos:
            info.devices += map(_device, answer.claims[info.claim.uid].devices)
            info.prepared = True

    async def _unprepare(self, driver: str, infos: Sequence[ClaimInfo]) -> None:
        request = pb.NodeUnprepareResourcesRequest(claims=[_named(info) for info in infos])
        answer = await self._call(driver, "NodeUnprepareResources", request)
        _check(answer.claims, infos)

    async def _call(self, driver: str, method: str, request: object) -> Any:
        connection = self.drivers.newest(driver)
        if connection is None:
            raise PrepareError(f"DRA driver {driver} is not registered")
        try:
            return await getattr(connection.stub, method)(request, timeout=self._timeout)
        except grpc.aio.AioRpcError as error:
            raise PrepareError(f"{method}: {error.code().name}: {error.details()}") from error
        except asyncio.CancelledError:
            if not cut_by_grpc():
                raise
            raise PrepareError(f"{method}: the connection was closed") from None


def _named(info: ClaimInfo) -> pb.Claim:
    return pb.Claim(namespace=info.claim.namespace, name=info.claim.name, uid=info.claim.uid)


def _check(answers: Mapping[str, Any], infos: Sequence[ClaimInfo]) -> None:
    """Each claim has an entry without an error, and there is no other. Raises PrepareError."""
    wanted = {info.claim.uid for info in infos}
    if skipped := wanted - {*answers}:
        raise PrepareError(f"the driver skipped {len(skipped)} ResourceClaims")
    if unknown := {*answers} - wanted:
        raise PrepareError(f"the driver answered for claims that were not asked for: {unknown}")
    if errors := [answer.error for answer in answers.values() if answer.error]:
        raise PrepareError("; ".join(errors))


def _device(device: pb.Device) -> PreparedDevice:
    return PreparedDevice(
        requests=tuple(device.request_names),
        pool=device.pool_name,
        device=device.device_name,
        cdi=tuple(device.cdi_device_ids),
        share_id=device.share_id if device.HasField("share_id") else None,
    )
