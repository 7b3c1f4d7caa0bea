"""What a plugin serves on each of its sockets."""

from rdma_dp.kubelet.api import deviceplugin_pb2_grpc, status_pb2_grpc
from rdma_dp.kubelet.plugin import Plugin
from rdma_dp.kubelet.plugin_status import PluginStatus
from rdma_dp.kubelet.sockets import AddServices


def services(plugin: Plugin, way: str) -> list[AddServices]:
    """DevicePlugin for kubelet and Status for the doctor and the siblings."""
    status = PluginStatus(plugin, way)
    return [
        lambda server: deviceplugin_pb2_grpc.add_DevicePluginServicer_to_server(plugin, server),
        lambda server: status_pb2_grpc.add_StatusServicer_to_server(status, server),
    ]
