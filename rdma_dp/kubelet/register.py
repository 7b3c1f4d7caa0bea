"""Register, the one call of kubelet's own service: kubelet then dials the plugin's socket."""

import os
from pathlib import Path

import grpc

from rdma_dp.kubelet import messages
from rdma_dp.kubelet.api import deviceplugin_pb2 as pb
from rdma_dp.kubelet.api import deviceplugin_pb2_grpc as rpc
from rdma_dp.kubelet.plugin import Plugin

KUBELET_SOCKET = "kubelet.sock"

# Seconds. kubelet answers Register only after it has dialled back, for which it takes up to 10 s.
REGISTER_DEADLINE = 15.0

# Without it the channels of all resources share a connection, and one that failed just before
# kubelet came keeps the others waiting for its own next try.
_CHANNEL_OPTIONS = [("grpc.use_local_subchannel_pool", 1)]


async def register(plugin: Plugin, own: Path, kubelet: Path) -> None:
    """Tells kubelet on its socket of the plugin that serves on `own`.

    Raises grpc.aio.AioRpcError.
    """
    request = pb.RegisterRequest(
        version=messages.API_VERSION,
        endpoint=_endpoint(own, kubelet),
        resource_name=plugin.resource,
        options=plugin.options,
    )
    async with grpc.aio.insecure_channel(f"unix:{kubelet}", options=_CHANNEL_OPTIONS) as channel:
        await rpc.RegistrationStub(channel).Register(request, timeout=REGISTER_DEADLINE)


def _endpoint(own: Path, kubelet: Path) -> str:
    # kubelet joins it to its own name of the directory, which may not be ours.
    return os.path.relpath(own, kubelet.parent)


def within_reach(own: Path, kubelet: Path) -> bool:
    """Whether kubelet, told of `own` on this socket, would find it, wherever its root is.

    Its two directories are neighbours for us as for kubelet, unless one was put elsewhere.
    """
    return own.parent.parent == kubelet.parent.parent
