"""Asks kubelet and the plugins on its sockets how they stand; changes nothing, waits for nobody.

Never ListAndWatch: when a second stream of a plugin ends, it takes that for kubelet's.
"""

import asyncio
import errno
import os
import socket
import stat
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import grpc

from rdma_dp.kubelet.api import (
    pluginregistration_pb2,
    pluginregistration_pb2_grpc,
    podresources_pb2,
    podresources_pb2_grpc,
    status_pb2,
    status_pb2_grpc,
)
from rdma_dp.kubelet.register import KUBELET_SOCKET
from rdma_dp.kubelet.registration import KubeletDirectories
from rdma_dp.kubelet.sockets import is_our_name
from rdma_dp.kubelet_view import (
    Holder,
    KubeletView,
    PluginSocket,
    PodResources,
    SocketState,
    Status,
)

_DEADLINE = 2.0  # seconds for one answer; all are asked at the same time

# Where distributions keep kubelet's root, if not in /var/lib/kubelet.
_WELL_KNOWN = (
    "/var/lib/kubelet",
    "/var/lib/k0s/kubelet",
    "/var/snap/microk8s/common/var/lib/kubelet",
    "/var/lib/rancher/k3s/agent/kubelet",
    "/var/lib/rancher/rke2/agent/kubelet",
    "/data/kubelet",
)

# A book of a node with many pods is larger than gRPC's default for one message, 4 MiB.
_OPTIONS = [
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
]

Answer = TypeVar("Answer")


def ask_kubelet(
    root: Path, directories: KubeletDirectories, roots: Sequence[str] = ()
) -> KubeletView:
    """How it all stands below `root`; `roots` are further places where kubelet may keep it."""
    return asyncio.run(_ask(root, directories, roots))


async def _ask(root: Path, directories: KubeletDirectories, roots: Sequence[str]) -> KubeletView:
    paths: list[Path] = []
    unreadable: dict[str, str] = {}
    for directory in dict.fromkeys((directories.device_plugins, directories.plugins_registry)):
        try:
            paths += _sockets(directory)
        except OSError as error:
            unreadable[str(directory)] = error.strerror or str(error)
    kubelet = directories.device_plugins / KUBELET_SOCKET
    book, sockets = await asyncio.gather(
        _pod_resources(root / "pod-resources" / KUBELET_SOCKET),
        asyncio.gather(*(_plugin(path, directories) for path in paths if path != kubelet)),
    )
    return KubeletView(
        root=str(root),
        device_plugins=str(directories.device_plugins),
        plugins_registry=str(directories.plugins_registry),
        kubelet=state_of(kubelet) if kubelet in paths else None,
        sockets=tuple(sockets),
        pod_resources=book if isinstance(book, PodResources) else None,
        why_no_pod_resources=book if isinstance(book, str) else None,
        unreadable=unreadable,
        elsewhere=_elsewhere((root, directories.device_plugins.parent), roots),
    )


def _elsewhere(known: Sequence[Path], roots: Sequence[str]) -> tuple[str, ...]:
    """Other roots in which a kubelet answers."""
    own = {os.path.realpath(path) for path in known}
    places = dict.fromkeys((*roots, *_WELL_KNOWN))
    return tuple(place for place in places if os.path.realpath(place) not in own and _lives(place))


def _lives(root: str) -> bool:
    return state_of(Path(root, "device-plugins", KUBELET_SOCKET)) is SocketState.ANSWERS


def _sockets(directory: Path) -> list[Path]:
    """Those of a directory, but for hidden ones, which belong to sockets in the making.

    Nor those whose names nobody could read, or gRPC take: it wants UTF-8.
    """
    paths = sorted(path for path in directory.iterdir() if not path.name.startswith("."))
    return [path for path in paths if path.name.isprintable() and _is_socket(path)]


def _is_socket(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(path.lstat().st_mode)
    except OSError:  # gone meanwhile
        return False


def state_of(path: Path) -> SocketState | None:
    """What connecting to a socket tells, without a byte sent; None when there is no such file."""
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.setblocking(False)
            client.connect(os.fspath(path))
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return None
        if error.errno == errno.ECONNREFUSED:
            return SocketState.STALE
        # EAGAIN: unix(7), its backlog is full.
        return SocketState.SILENT if error.errno == errno.EAGAIN else SocketState.REFUSED
    return SocketState.ANSWERS


async def _plugin(path: Path, directories: KubeletDirectories) -> PluginSocket:
    ours = is_our_name(path.name)
    state = state_of(path) or SocketState.STALE
    if state is not SocketState.ANSWERS:
        return PluginSocket(str(path), state, ours)
    if ours:
        status, silent = await _called(path, _status)
        resource = status.resource if status else None
        return PluginSocket(str(path), _state(silent), ours, status, resource)
    if path.parent == directories.plugins_registry:
        info, silent = await _called(path, _info)
        name, kind = info or (None, None)
        return PluginSocket(str(path), _state(silent), ours, None, name, kind)
    return PluginSocket(str(path), state)


def _state(silent: bool) -> SocketState:
    return SocketState.SILENT if silent else SocketState.ANSWERS


class _Unintelligible(Exception):  # noqa: N818 (it never leaves this file)
    """An answer that is no message of its kind."""


async def _intelligible(answer: Awaitable[Any]) -> Any:
    """The message; gRPC gives None for one that cannot be parsed."""
    message = await answer
    if message is None:
        raise _Unintelligible
    return message


async def _called(
    path: Path, call: Callable[[grpc.aio.Channel], Awaitable[Answer]]
) -> tuple[Answer | None, bool]:
    """The answer, None without a good one; and whether that is because none came in time."""
    try:
        async with (
            asyncio.timeout(2 * _DEADLINE),
            grpc.aio.insecure_channel(f"unix:{path}", options=_OPTIONS) as channel,
        ):
            return await call(channel), False
    except grpc.aio.AioRpcError as error:
        return None, error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    except _Unintelligible:
        return None, False
    except TimeoutError:
        return None, True


async def _status(channel: grpc.aio.Channel) -> Status:
    stub = status_pb2_grpc.StatusStub(channel)
    said = await _intelligible(stub.Get(status_pb2.StatusRequest(), timeout=_DEADLINE))
    return Status(
        version=said.version,
        pid=said.pid,
        started_at=said.started_at,
        resource=said.resource,
        way=said.way,
        streams=said.streams,
        listed=said.listed,
        healthy=said.healthy,
        trouble=said.trouble or None,
        connected_at=said.connected_at or None,
        reasons=tuple(said.reasons),
    )


async def _info(channel: grpc.aio.Channel) -> tuple[str, str]:
    stub = pluginregistration_pb2_grpc.RegistrationStub(channel)
    info = await _intelligible(
        stub.GetInfo(pluginregistration_pb2.InfoRequest(), timeout=_DEADLINE)
    )
    return info.name, info.type


async def _pod_resources(path: Path) -> PodResources | str:
    """kubelet's book, or why there is none."""
    state = state_of(path)
    if state is None:
        return f"there is no {path}"
    if state is not SocketState.ANSWERS:
        return f"{path}: {_WHY_NOT[state]}"
    try:
        async with (
            asyncio.timeout(2 * _DEADLINE),
            grpc.aio.insecure_channel(f"unix:{path}", options=_OPTIONS) as channel,
        ):
            return await _book(podresources_pb2_grpc.PodResourcesListerStub(channel))
    except grpc.aio.AioRpcError as error:
        return f"{path}: {error.code().name}: {error.details()}"
    except _Unintelligible:
        return f"{path}: what it answers is no list of pods"
    except TimeoutError:
        return f"{path}: {_WHY_NOT[SocketState.SILENT]}"


_WHY_NOT = {
    SocketState.STALE: "nobody listens",
    SocketState.SILENT: "no answer in time",
    SocketState.REFUSED: "connecting is refused; run as root",
}


async def _book(stub: Any) -> PodResources:
    calls = (
        stub.GetAllocatableResources(
            podresources_pb2.AllocatableResourcesRequest(), timeout=_DEADLINE
        ),
        stub.List(podresources_pb2.ListPodResourcesRequest(), timeout=_DEADLINE),
    )
    allocatable, listed = await asyncio.gather(*map(_intelligible, calls))
    counts: Counter[str] = Counter()
    for devices in allocatable.devices:
        counts[devices.resource_name] += len(devices.device_ids)
    return PodResources(dict(counts), _holders(listed))


def _holders(listed: podresources_pb2.ListPodResourcesResponse) -> tuple[Holder, ...]:
    # One entry per resource and NUMA node: put together what belongs together.
    held: dict[tuple[str, str, str, str], list[str]] = {}
    for pod in listed.pod_resources:
        for container in pod.containers:
            for devices in container.devices:
                key = (pod.namespace, pod.name, container.name, devices.resource_name)
                held.setdefault(key, []).extend(devices.device_ids)
    return tuple(Holder(*key, tuple(ids)) for key, ids in held.items())
