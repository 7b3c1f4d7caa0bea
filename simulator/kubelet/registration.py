"""kubelet.sock: kubelet's own service, with which plugins register."""

import asyncio
import os
import stat
from pathlib import Path
from typing import Any, NoReturn

import grpc

from rdma_dp.kubelet.api import deviceplugin_pb2 as pb
from rdma_dp.kubelet.api import deviceplugin_pb2_grpc as rpc
from simulator.kubelet.client import DIAL_TIMEOUT, DialError
from simulator.kubelet.events import Refused, Violated, Way
from simulator.kubelet.faults import Faults
from simulator.kubelet.generations import AlreadyConnectedError
from simulator.kubelet.journal import Journal
from simulator.kubelet.manager import DeviceManager
from simulator.kubelet.names import resource_name_fault

Context = grpc.aio.ServicerContext[Any, Any]


def remove_sockets(directory: Path) -> tuple[str, ...]:
    """Remove each socket directly in `directory`, and nothing else. Returns their names."""
    sockets = sorted(path for path in directory.iterdir() if _is_socket(path))
    for path in sockets:
        path.unlink(missing_ok=True)  # its owner may have removed it first
    return tuple(path.name for path in sockets)


def _is_socket(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(path.stat().st_mode)
    except FileNotFoundError:  # a dangling link, or removed in the meantime
        return False


class RegistrationServer:
    """Serves on `directory`/kubelet.sock from `start` to `stop`."""

    def __init__(
        self, directory: Path, manager: DeviceManager, journal: Journal, faults: Faults
    ) -> None:
        self._socket = directory / "kubelet.sock"
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        servicer = _Registration(directory, manager, journal, faults)
        rpc.add_RegistrationServicer_to_server(servicer, self._server)

    async def start(self) -> None:
        """Make kubelet.sock and serve.

        When gRPC stops, it removes the socket that it bound. kubelet does not remove its socket. So
        gRPC binds another name, and kubelet.sock is a second link to the same socket. For inotify,
        a link is a create event, as bind is.
        """
        bound = self._socket.parent.parent / ".k.sock"
        self._server.add_insecure_port(f"unix:{bound}")
        await self._server.start()
        os.link(bound, self._socket)
        bound.unlink()

    async def stop(self) -> None:
        """Stop serving at once. kubelet.sock stays."""
        await self._server.stop(None)


class _Registration(rpc.RegistrationServicer):
    def __init__(
        self, directory: Path, manager: DeviceManager, journal: Journal, faults: Faults
    ) -> None:
        self._directory = directory
        self._manager = manager
        self._journal = journal
        self._faults = faults

    async def Register(  # noqa: N802 - the wire's name
        self, request: pb.RegisterRequest, context: Context
    ) -> pb.Empty:
        if self._faults.hang_register:
            await asyncio.Event().wait()
        self._look_for_violations(request, context)
        socket = _join(self._directory, request.endpoint)
        if reason := self._refusal(request):
            await self._refuse(request, socket, reason, context)
        try:
            await self._manager.connect(request.resource_name, socket, Way.REGISTER)
        except DialError as error:
            await self._refuse(request, socket, f"failed to dial device plugin: {error}", context)
        except AlreadyConnectedError as error:
            await self._refuse(request, socket, str(error), context)
        except grpc.aio.AioRpcError as error:
            reason = f"failed to get device plugin options: {error.details()}"
            await self._refuse(request, socket, reason, context)
        return pb.Empty()

    def _refusal(self, request: pb.RegisterRequest) -> str | None:
        if self._faults.refuse_register is not None:
            return self._faults.refuse_register
        if request.version != self._faults.version:
            return (
                f'requested API version "{request.version}" is not supported by kubelet. '
                f'Supported version is ["{self._faults.version}"]'
            )
        if fault := resource_name_fault(request.resource_name):
            return f'the ResourceName "{request.resource_name}" is invalid: {fault}'
        return None

    def _look_for_violations(self, request: pb.RegisterRequest, context: Context) -> None:
        name = request.resource_name
        if request.endpoint.startswith("/"):
            self._journal.record(Violated(f"{name}: absolute endpoint {request.endpoint}"))
        if _shorter_than_dialling(context.time_remaining()):
            text = f"{name}: its deadline for Register is shorter than kubelet's for dialling back"
            self._journal.record(Violated(text))

    async def _refuse(
        self, request: pb.RegisterRequest, socket: Path, reason: str, context: Context
    ) -> NoReturn:
        self._journal.record(Refused(request.resource_name, socket, Way.REGISTER, reason))
        # the status that Go makes of a plain error
        await context.abort(grpc.StatusCode.UNKNOWN, reason)


def _join(directory: Path, endpoint: str) -> Path:
    # Joined as text, as in kubelet: an absolute endpoint is taken as a path below the directory.
    return Path(os.path.normpath(f"{directory}/{endpoint}"))


def _shorter_than_dialling(seconds: float | None) -> bool:
    return seconds is not None and seconds <= DIAL_TIMEOUT
