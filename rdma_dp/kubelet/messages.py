"""Pools and grants as kubelet's messages. Pure."""

from collections.abc import Iterable

from rdma_dp.kubelet.api import deviceplugin_pb2 as pb
from rdma_dp.model import natural_key
from rdma_dp.pool import PERMISSIONS, Grant, Pool

# The version that kubelet compares literally (pkg/kubelet/cm/devicemanager).
API_VERSION = "v1beta1"

HEALTHY = "Healthy"  # the only word that counts as healthy; any other means the opposite
UNHEALTHY = "Unhealthy"


def device_list(pool: Pool) -> pb.ListAndWatchResponse:
    """The whole list: every slot ever listed."""
    return pb.ListAndWatchResponse(
        devices=[
            pb.Device(ID=slot.id, health=HEALTHY if slot.healthy else UNHEALTHY)
            for slot in pool.slots
        ]
    )


def allocate_response(grants: Iterable[Grant]) -> pb.AllocateResponse:
    """One container response per grant."""
    return pb.AllocateResponse(container_responses=[_container(grant) for grant in grants])


def _container(grant: Grant) -> pb.ContainerAllocateResponse:
    return pb.ContainerAllocateResponse(
        envs=dict(grant.envs),
        devices=[
            pb.DeviceSpec(container_path=path, host_path=path, permissions=PERMISSIONS)
            for path in grant.devices
        ],
        cdi_devices=[pb.CDIDevice(name=name) for name in grant.cdi_devices],
    )


def options() -> pb.DevicePluginOptions:
    """Neither call is wanted: slots of a pool are all alike, and PreStart would tie restarts of
    containers to the plugin's presence.
    """
    return pb.DevicePluginOptions(
        pre_start_required=False, get_preferred_allocation_available=False
    )


def any_preference(request: pb.PreferredAllocationRequest) -> pb.PreferredAllocationResponse:
    """An answer for a kubelet that asks all the same: what it must have, then the lowest ids."""
    return pb.PreferredAllocationResponse(
        container_responses=[
            pb.ContainerPreferredAllocationResponse(deviceIDs=_lowest(container))
            for container in request.container_requests
        ]
    )


def _lowest(container: pb.ContainerPreferredAllocationRequest) -> list[str]:
    must = list(dict.fromkeys(container.must_include_deviceIDs))
    free = sorted(set(container.available_deviceIDs) - set(must), key=natural_key)
    return (must + free)[: max(container.allocation_size, 0)]
