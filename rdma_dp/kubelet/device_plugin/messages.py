"""Pools and grants as kubelet's messages. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from rdma_dp.config import CdiMode, Resource
from rdma_dp.kubelet.api import deviceplugin_pb2 as pb
from rdma_dp.sharing.allocation import PERMISSIONS, Grant
from rdma_dp.sharing.pool import Pool
from rdma_dp.sharing.preference import SlotIndex, preferred
from rdma_dp.specs.cdi import delivered

# The version that kubelet compares literally (pkg/kubelet/cm/devicemanager).
API_VERSION = "v1beta1"

# What is taken of one request: more than kubelet sends, and not so much that it holds up others.
_MOST_CONTAINERS = 64
_ROOM = 2  # times the listed slots
_FEWEST_IDS = 1000

# Only exactly this word counts as healthy; any other means the opposite.
_HEALTH: Mapping[bool, str] = MappingProxyType({True: "Healthy", False: "Unhealthy"})


def device_list(pool: Pool) -> pb.ListAndWatchResponse:
    """The whole list: every slot ever listed."""
    nodes = {None, *(share.numa_node for share in pool.slot_groups.values())}
    topology = {node: _topology(node) for node in nodes}
    message = pb.ListAndWatchResponse()
    for slot in pool.slots:  # added in place: a list of messages would be copied into this one
        message.devices.add(
            ID=slot.id, health=_HEALTH[slot.healthy], topology=topology[slot.numa_node]
        )
    return message


def _topology(node: int | None) -> pb.TopologyInfo | None:
    # A node id of -1, or an empty list, would be a hint too (pkg/kubelet/cm/devicemanager,
    # topology_hints.go): nothing at all says that nothing is known.
    return None if node is None else pb.TopologyInfo(nodes=[pb.NUMANode(ID=node)])


def excess(containers: Sequence[int], listed: int) -> str | None:
    """Why a request is larger than any of kubelet's; None when it is not.

    `containers`: the number of ids for each container. `listed`: the number of listed slots.
    kubelet asks for one container at a time, with slots of our list (pkg/kubelet/cm/devicemanager,
    endpoint.go, allocate and getPreferredAllocation).
    """
    if len(containers) > _MOST_CONTAINERS:
        return f"{len(containers)} containers in one request: at most {_MOST_CONTAINERS} are taken"
    most = max(_ROOM * listed, _FEWEST_IDS)
    if sum(containers) > most:
        return f"{sum(containers)} slots in one request: at most {most} are taken"
    return None


def allocate_response(grants: Iterable[Grant], mode: CdiMode) -> pb.AllocateResponse:
    """One container response per grant."""
    return pb.AllocateResponse(container_responses=[_container(grant, mode) for grant in grants])


def _container(grant: Grant, mode: CdiMode) -> pb.ContainerAllocateResponse:
    delivery = delivered(grant, mode)
    return pb.ContainerAllocateResponse(
        envs=dict(grant.envs),
        annotations=dict(delivery.annotations),
        devices=[
            pb.DeviceSpec(container_path=path, host_path=path, permissions=PERMISSIONS)
            for path in delivery.devices
        ],
        cdi_devices=[pb.CDIDevice(name=name) for name in delivery.cdi_devices],
    )


def options(resource: Resource) -> pb.DevicePluginOptions:
    """What kubelet should call.

    No preference between the slots of a whole resource: they are all alike. Never PreStart: it
    would tie restarts of containers to the plugin's presence.
    """
    return pb.DevicePluginOptions(
        pre_start_required=False, get_preferred_allocation_available=resource.per_hca
    )


def preferences(
    pool: Pool, request: pb.PreferredAllocationRequest, index: SlotIndex | None = None
) -> pb.PreferredAllocationResponse:
    """What each container should get. A kubelet gets it also if the options do not make it ask.

    `index` is that of the pool, if there is one.
    """
    return pb.PreferredAllocationResponse(
        container_responses=[
            pb.ContainerPreferredAllocationResponse(
                deviceIDs=preferred(
                    pool,
                    container.available_deviceIDs,
                    container.must_include_deviceIDs,
                    container.allocation_size,
                    index,
                )
            )
            for container in request.container_requests
        ]
    )
