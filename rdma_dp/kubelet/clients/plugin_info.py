"""The client of GetInfo, which plugins in plugins_registry answer."""

import grpc

from rdma_dp.kubelet.api import pluginregistration_pb2 as pb
from rdma_dp.kubelet.api import pluginregistration_pb2_grpc as rpc
from rdma_dp.kubelet.clients.channel import DEADLINE, intelligible

# kubelet's name for device plugins (staging/src/k8s.io/kubelet/pkg/apis/pluginregistration).
DEVICE_PLUGIN = "DevicePlugin"


async def ask_info(channel: grpc.aio.Channel) -> tuple[str, str]:
    """The resource (or driver) that the socket serves, and the kind of plugin.

    Raises grpc.aio.AioRpcError and UnintelligibleError.
    """
    stub = rpc.RegistrationStub(channel)
    info = await intelligible(stub.GetInfo(pb.InfoRequest(), timeout=DEADLINE))
    return info.name, info.type
