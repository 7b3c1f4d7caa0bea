"""kubelet as a client: it dials a plugin's socket and reads its stream."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import grpc

from rdma_dp.kubelet.api import deviceplugin_pb2 as pb
from rdma_dp.kubelet.api import deviceplugin_pb2_grpc as rpc

DIAL_TIMEOUT = 10.0  # seconds; kubelet, plugin/v1beta1/client.go and operation_generator.go

CLOSED_BY_KUBELET = "closed by kubelet"

_CHANNEL_OPTIONS = [
    # Without this option, all channels to one path share a connection, which stays open when one of
    # them is closed.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.default_authority", "localhost"),
]


class DialError(Exception):
    """No process serves on the socket."""


async def dial(socket: Path, refused: Callable[[], None] = lambda: None) -> grpc.aio.Channel:
    """A connected channel. `refused` is called if the first attempt fails because no process
    serves.

    Raises DialError after 10 seconds.
    """
    channel = grpc.aio.insecure_channel(f"unix:{socket}", options=_CHANNEL_OPTIONS)
    try:
        async with asyncio.timeout(DIAL_TIMEOUT):
            await _connected(channel, refused)
    except TimeoutError:
        await channel.close()
        raise DialError(f"no process serves on {socket} within {DIAL_TIMEOUT:g} s") from None
    except BaseException:
        await channel.close()
        raise
    return channel


async def _connected(channel: grpc.aio.Channel, refused: Callable[[], None]) -> None:
    failed = False
    while (state := channel.get_state(try_to_connect=True)) is not grpc.ChannelConnectivity.READY:
        if state is grpc.ChannelConnectivity.TRANSIENT_FAILURE and not failed:
            failed = True
            refused()
        await channel.wait_for_state_change(state)


def cut_by_grpc() -> bool:
    """Whether a CancelledError comes from a closed channel, and not from the end of this task."""
    task = asyncio.current_task()
    return task is not None and not task.cancelling()


def inode_of(socket: Path) -> int | None:
    """Identifies a socket, so that a new one under the same name is different. None if there is
    none.
    """
    try:
        return socket.stat().st_ino
    except FileNotFoundError:
        return None


class PluginClient:
    """One connection to a plugin of `resource` on `socket`."""

    def __init__(self, resource: str, socket: Path, channel: grpc.aio.Channel) -> None:
        self.resource = resource
        self.socket = socket
        self.inode = inode_of(socket)
        self.stub = rpc.DevicePluginStub(channel)
        self._channel = channel
        self._closing = False

    async def listen(self, received: Callable[[Sequence[pb.Device]], None]) -> str:
        """Read ListAndWatch to its end. Returns why it ended."""
        if self._closing:
            return CLOSED_BY_KUBELET
        try:
            async for message in self.stub.ListAndWatch(pb.Empty()):
                if not self._closing:  # after a disconnect, no list is taken any more
                    received(message.devices)
        except grpc.aio.AioRpcError as error:
            return f"{error.code().name}: {error.details()}"
        except asyncio.CancelledError:
            if not cut_by_grpc():
                raise
            return CLOSED_BY_KUBELET
        return "closed by the plugin"

    async def close(self) -> None:
        """Close the connection. The plugin sees that its stream is cancelled."""
        self._closing = True
        await self._channel.close()
