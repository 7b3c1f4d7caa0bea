"""The generated code is what protos/ generates, and says on the wire what kubelet says."""

import subprocess
import sys

import pytest
from google.protobuf.descriptor import (
    Descriptor,
    FieldDescriptor,
    FileDescriptor,
    MethodDescriptor,
    ServiceDescriptor,
)

from rdma_dp.kubelet.api import (
    deviceplugin_pb2,
    dra_beta_pb2,
    dra_health_pb2,
    dra_pb2,
    pluginregistration_pb2,
    podresources_pb2,
    status_pb2,
)
from tests.paths import REPO

DEVICE_PLUGIN = """
service Registration
    Register(RegisterRequest) -> Empty
service DevicePlugin
    GetDevicePluginOptions(Empty) -> DevicePluginOptions
    ListAndWatch(Empty) -> stream ListAndWatchResponse
    GetPreferredAllocation(PreferredAllocationRequest) -> PreferredAllocationResponse
    Allocate(AllocateRequest) -> AllocateResponse
    PreStartContainer(PreStartContainerRequest) -> PreStartContainerResponse
DevicePluginOptions: pre_start_required=1 bool, get_preferred_allocation_available=2 bool
RegisterRequest: version=1 string, endpoint=2 string, resource_name=3 string, \
options=4 DevicePluginOptions
Empty:
ListAndWatchResponse: devices=1 repeated Device
TopologyInfo: nodes=1 repeated NUMANode
NUMANode: ID=1 int64
Device: ID=1 string, health=2 string, topology=3 TopologyInfo
PreStartContainerRequest: devices_ids=1 repeated string
PreStartContainerResponse:
PreferredAllocationRequest: container_requests=1 repeated ContainerPreferredAllocationRequest
ContainerPreferredAllocationRequest: available_deviceIDs=1 repeated string, \
must_include_deviceIDs=2 repeated string, allocation_size=3 int32
PreferredAllocationResponse: container_responses=1 repeated ContainerPreferredAllocationResponse
ContainerPreferredAllocationResponse: deviceIDs=1 repeated string
AllocateRequest: container_requests=1 repeated ContainerAllocateRequest
ContainerAllocateRequest: devices_ids=1 repeated string
CDIDevice: name=1 string
AllocateResponse: container_responses=1 repeated ContainerAllocateResponse
ContainerAllocateResponse: envs=1 map<string, string>, mounts=2 repeated Mount, \
devices=3 repeated DeviceSpec, annotations=4 map<string, string>, cdi_devices=5 repeated CDIDevice
Mount: container_path=1 string, host_path=2 string, read_only=3 bool
DeviceSpec: container_path=1 string, host_path=2 string, permissions=3 string
"""

PLUGIN_REGISTRATION = """
service Registration
    GetInfo(InfoRequest) -> PluginInfo
    NotifyRegistrationStatus(RegistrationStatus) -> RegistrationStatusResponse
PluginInfo: type=1 string, name=2 string, endpoint=3 string, supported_versions=4 repeated string
RegistrationStatus: plugin_registered=1 bool, error=2 string
RegistrationStatusResponse:
InfoRequest:
"""

POD_RESOURCES = """
service PodResourcesLister
    List(ListPodResourcesRequest) -> ListPodResourcesResponse
    GetAllocatableResources(AllocatableResourcesRequest) -> AllocatableResourcesResponse
    Get(GetPodResourcesRequest) -> GetPodResourcesResponse
AllocatableResourcesRequest:
AllocatableResourcesResponse: devices=1 repeated ContainerDevices, cpu_ids=2 repeated int64, \
memory=3 repeated ContainerMemory
ListPodResourcesRequest:
ListPodResourcesResponse: pod_resources=1 repeated PodResources
PodResources: name=1 string, namespace=2 string, containers=3 repeated ContainerResources
ContainerResources: name=1 string, devices=2 repeated ContainerDevices, \
cpu_ids=3 repeated int64, memory=4 repeated ContainerMemory, \
dynamic_resources=5 repeated DynamicResource
ContainerMemory: memory_type=1 string, size=2 uint64, topology=3 TopologyInfo
ContainerDevices: resource_name=1 string, device_ids=2 repeated string, topology=3 TopologyInfo
TopologyInfo: nodes=1 repeated NUMANode
NUMANode: ID=1 int64
DynamicResource: claim_name=2 string, claim_namespace=3 string, \
claim_resources=4 repeated ClaimResource
ClaimResource: cdi_devices=1 repeated CDIDevice, driver_name=2 string, pool_name=3 string, \
device_name=4 string, share_id=5 optional string
CDIDevice: name=1 string
GetPodResourcesRequest: pod_name=1 string, pod_namespace=2 string
GetPodResourcesResponse: pod_resources=1 PodResources
"""

DRA_SERVICE = """
service DRAPlugin
    NodePrepareResources(NodePrepareResourcesRequest) -> NodePrepareResourcesResponse
    NodeUnprepareResources(NodeUnprepareResourcesRequest) -> NodeUnprepareResourcesResponse
"""

DRA = f"""{DRA_SERVICE.rstrip()}
Claim: namespace=1 string, uid=2 string, name=3 string
NodePrepareResourcesRequest: claims=1 repeated Claim
NodePrepareResourcesResponse: claims=1 map<string, NodePrepareResourceResponse>
NodePrepareResourceResponse: devices=1 repeated Device, error=2 string
Device: request_names=1 repeated string, pool_name=2 string, device_name=3 string, \
cdi_device_ids=4 repeated string, share_id=5 optional string
NodeUnprepareResourcesRequest: claims=1 repeated Claim
NodeUnprepareResourcesResponse: claims=1 map<string, NodeUnprepareResourceResponse>
NodeUnprepareResourceResponse: error=1 string
"""

DRA_HEALTH = """
service DRAResourceHealth
    NodeWatchResources(NodeWatchResourcesRequest) -> stream NodeWatchResourcesResponse
NodeWatchResourcesRequest:
NodeWatchResourcesResponse: devices=1 repeated DeviceHealth
DeviceIdentifier: pool_name=1 string, device_name=2 string
DeviceHealth: device=1 DeviceIdentifier, health=2 HealthStatus(UNKNOWN=0 HEALTHY=1 UNHEALTHY=2), \
last_updated_time=3 int64, health_check_timeout_seconds=4 int64, message=5 string
"""

STATUS = """
service Status
    Get(StatusRequest) -> StatusReply
service DriverStatus
    Get(DriverStatusRequest) -> DriverStatusReply
DriverStatusRequest:
DriverStatusReply: version=1 string, driver=2 string, node=3 string, registered=4 bool, \
trouble=5 string, listed=6 bool, slices=7 int64, devices=8 int64, current=9 bool, \
failure=10 string, lacking_gates=11 repeated string, claims=12 repeated string, \
directory=13 string, directory_is_kept=14 bool, stuck_claims=15 repeated string
StatusRequest:
StatusReply: version=1 string, pid=2 int64, started_at=3 int64, resource=4 string, way=5 string, \
trouble=6 string, streams=7 int64, connected_at=8 int64, listed=9 int64, healthy=10 int64, \
reasons=11 repeated string, leaving=12 bool, reason_codes=13 repeated string
"""

SCALARS = {
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_INT64: "int64",
    FieldDescriptor.TYPE_UINT64: "uint64",
}


def type_of(field: FieldDescriptor) -> str:
    message = field.message_type
    if field.enum_type is not None:
        values = " ".join(f"{value.name}={value.number}" for value in field.enum_type.values)
        return f"{field.enum_type.name}({values})"
    if message is None:
        return SCALARS[field.type]
    if message.GetOptions().map_entry:
        key, value = (type_of(message.fields_by_name[name]) for name in ("key", "value"))
        return f"map<{key}, {value}>"
    return str(message.name)


def described_field(field: FieldDescriptor) -> str:
    kind = type_of(field)
    synthetic = field.containing_oneof is not None  # how proto3 spells "optional"
    label = "optional " if synthetic else ""
    if field.is_repeated and not kind.startswith("map<"):
        label = "repeated "
    return f"{field.name}={field.number} {label}{kind}"


def described_message(message: Descriptor) -> str:
    fields = ", ".join(described_field(field) for field in message.fields)
    return f"{message.name}: {fields}".strip()


def described_method(method: MethodDescriptor) -> str:
    stream_in = "stream " if method.client_streaming else ""
    stream_out = "stream " if method.server_streaming else ""
    request, response = method.input_type.name, method.output_type.name
    return f"    {method.name}({stream_in}{request}) -> {stream_out}{response}"


def described_service(service: ServiceDescriptor) -> str:
    methods = [described_method(method) for method in service.methods]
    return "\n".join([f"service {service.name}", *methods])


def described(file: FileDescriptor) -> str:
    services = [described_service(s) for s in file.services_by_name.values()]
    messages = [described_message(m) for m in file.message_types_by_name.values()]
    return "\n".join(services + messages)


@pytest.mark.parametrize(
    ("file", "package", "wire"),
    [
        (deviceplugin_pb2.DESCRIPTOR, "v1beta1", DEVICE_PLUGIN),
        (pluginregistration_pb2.DESCRIPTOR, "pluginregistration", PLUGIN_REGISTRATION),
        (podresources_pb2.DESCRIPTOR, "v1", POD_RESOURCES),
        (dra_pb2.DESCRIPTOR, "k8s.io.kubelet.pkg.apis.dra.v1", DRA),
        (dra_beta_pb2.DESCRIPTOR, "k8s.io.kubelet.pkg.apis.dra.v1beta1", DRA_SERVICE),
        (dra_health_pb2.DESCRIPTOR, "v1alpha1", DRA_HEALTH),
    ],
    ids=["deviceplugin", "pluginregistration", "podresources", "dra", "dra-beta", "dra-health"],
)
def test_the_wire_is_kubelets(file: FileDescriptor, package: str, wire: str) -> None:
    assert file.package == package
    assert described(file) == wire.strip()


def test_our_own_status_keeps_its_wire() -> None:
    """A doctor of one version asks a daemon of another."""
    assert status_pb2.DESCRIPTOR.package == "rdmadp.v1"
    assert described(status_pb2.DESCRIPTOR) == STATUS.strip()


def test_the_committed_code_is_what_protos_generates() -> None:
    check = [sys.executable, str(REPO / "scripts/generate_api.py"), "--check"]
    run = subprocess.run(check, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
