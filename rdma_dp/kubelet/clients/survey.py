"""Asks kubelet and the plugins on its sockets for their state. Changes nothing.

Each call has a deadline. ListAndWatch is never called: when the second stream of a plugin ends, the
plugin concludes that kubelet's stream has ended.
"""

import asyncio
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from rdma_dp.kubelet.clients.channel import called
from rdma_dp.kubelet.clients.plugin_info import ask_info
from rdma_dp.kubelet.clients.pod_resources import pod_resources
from rdma_dp.kubelet.clients.status_client import ask_driver, ask_status
from rdma_dp.kubelet.directories import KUBELET_SOCKET, WELL_KNOWN_ROOTS, KubeletDirectories
from rdma_dp.kubelet.sockets import is_our_name, state_of
from rdma_dp.kubelet.statuses import SocketState
from rdma_dp.kubelet.views import DRA_PLUGIN, KubeletView, PluginSocket, PodResources


def ask_kubelet(
    root: Path, directories: KubeletDirectories, roots: Sequence[str] = ()
) -> KubeletView:
    """The state below kubelet's root directory. `roots` are other candidates."""
    return asyncio.run(survey_kubelet(root, directories, roots))


async def survey_kubelet(
    root: Path, directories: KubeletDirectories, roots: Sequence[str]
) -> KubeletView:
    """As `ask_kubelet`, on a running event loop."""
    paths: list[Path] = []
    unreadable: dict[str, str] = {}
    forbidden: list[str] = []
    for directory in dict.fromkeys((directories.device_plugins, directories.plugins_registry)):
        try:
            paths += _sockets(directory)
        except OSError as error:
            unreadable[str(directory)] = error.strerror or str(error)
            if isinstance(error, PermissionError):  # EACCES and EPERM
                forbidden.append(str(directory))
    kubelet = directories.device_plugins / KUBELET_SOCKET
    book, sockets = await asyncio.gather(
        pod_resources(directories.pod_resources),
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
        forbidden=tuple(forbidden),
        elsewhere=_elsewhere((root, directories.device_plugins.parent), roots),
    )


def _elsewhere(known: Sequence[Path], roots: Sequence[str]) -> tuple[str, ...]:
    """Other root directories in which a kubelet answers."""
    own = {os.path.realpath(path) for path in known}
    places = dict.fromkeys((*roots, *WELL_KNOWN_ROOTS))
    return tuple(
        place for place in places if os.path.realpath(place) not in own and _answers(place)
    )


def _answers(root: str) -> bool:
    return state_of(Path(root, "device-plugins", KUBELET_SOCKET)) is SocketState.ANSWERS


def _sockets(directory: Path) -> list[Path]:
    """The sockets of a directory.

    Hidden sockets are left out: a server makes them and renames them when it answers. Names that
    are not printable are left out too: gRPC accepts only UTF-8.
    """
    paths = sorted(path for path in directory.iterdir() if not path.name.startswith("."))
    return [path for path in paths if path.name.isprintable() and _is_socket(path)]


def _is_socket(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(path.lstat().st_mode)
    except OSError:  # it was removed in the meantime
        return False


async def _plugin(path: Path, directories: KubeletDirectories) -> PluginSocket:
    ours = is_our_name(path.name)
    state = state_of(path) or SocketState.STALE
    if state is not SocketState.ANSWERS:
        return PluginSocket(str(path), state, ours)
    if ours:
        status, silent = await called(path, ask_status)
        resource = status.resource if status else None
        return PluginSocket(str(path), _state(silent), ours, status, resource)
    if path.parent == directories.plugins_registry:
        info, silent = await called(path, ask_info)
        name, kind = info or (None, None)
        driver = None
        if kind == DRA_PLUGIN:
            driver, _ = await called(path, ask_driver)
        return PluginSocket(str(path), _state(silent), ours, None, name, kind, driver)
    return PluginSocket(str(path), state)


def _state(silent: bool) -> SocketState:
    return SocketState.SILENT if silent else SocketState.ANSWERS
