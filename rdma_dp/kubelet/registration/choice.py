"""Which of the two modes of registration a resource takes."""

import asyncio
import logging
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from rdma_dp.aio.backoff import Backoff
from rdma_dp.aio.directory_watch import DirectoryWatch
from rdma_dp.kubelet.device_plugin.servicer import Plugin
from rdma_dp.kubelet.directories import KUBELET_SOCKET, KubeletDirectories, is_directory
from rdma_dp.kubelet.registration.by_call import DevicePluginsRegistration
from rdma_dp.kubelet.registration.by_watcher import PluginsRegistryRegistration
from rdma_dp.kubelet.registration.lost import Lost
from rdma_dp.kubelet.sockets import socket_name

logger = logging.getLogger(__name__)

# Seconds. A kubelet that runs looks at a new socket within one; one that does not watch the
# directory never will, and the pods of a node that just booted wait.
_TIMEOUT = 5.0


class RegistrationMode(StrEnum):
    """How to be found by kubelet."""

    AUTO = "auto"
    DEVICE_PLUGINS = "device-plugins"
    PLUGINS_REGISTRY = "plugins-registry"


@dataclass(frozen=True, slots=True)
class Kubelet:
    """kubelet as a plugin sees it: where it looks, by which way, and what changes there.

    `instance` is part of every socket's name and belongs to this process.
    """

    directories: KubeletDirectories
    way: RegistrationMode
    instance: str
    device_plugins_watch: DirectoryWatch
    plugins_registry_watch: DirectoryWatch


async def keep_registered(plugin: Plugin, kubelet: Kubelet) -> None:
    """Keeps one resource registered until cancelled.

    `auto` prefers plugins_registry where that directory exists, as the Go plugin does. Where
    kubelet does not watch it, or it cannot be used, Register is called instead. As long as no
    kubelet has registered the resource, both directories are watched: either may come later. A
    socket that cannot be made in plugins_registry is tried again when the registration is lost.
    """
    by_call, by_watcher = _both(plugin, kubelet)
    if kubelet.way is RegistrationMode.DEVICE_PLUGINS:
        await by_call.run()
    if kubelet.way is RegistrationMode.PLUGINS_REGISTRY:
        await by_watcher.run()
    retry, settled = _Retry(kubelet.directories.plugins_registry), True
    while True:
        if retry.is_due():
            loss = await by_watcher.run(_TIMEOUT)
            logger.warning("%s: %s; calling Register instead", plugin.resource, loss)
            retry.later()
            # Without a socket, this kubelet has not shown that it does not watch the directory.
            settled = loss.lost is not Lost.NO_SOCKET
        loss = await by_call.run(retry.is_due, settled=settled)
        logger.info("%s: %s; trying plugins_registry", plugin.resource, loss)


def _both(
    plugin: Plugin, kubelet: Kubelet
) -> tuple[DevicePluginsRegistration, PluginsRegistryRegistration]:
    name = socket_name(plugin.resource, kubelet.instance)
    directories = kubelet.directories
    watches = (kubelet.device_plugins_watch, kubelet.plugins_registry_watch)
    return (
        DevicePluginsRegistration(plugin, directories.device_plugins / name, *watches),
        PluginsRegistryRegistration(
            plugin,
            directories.plugins_registry / name,
            directories.device_plugins / KUBELET_SOCKET,
            *watches[::-1],
        ),
    )


class _Retry:
    """Whether plugins_registry is worth a try: it is there, and did not fail a moment ago."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._backoff = Backoff()
        self._not_before = 0.0

    def is_due(self) -> bool:
        now = asyncio.get_running_loop().time()
        return now >= self._not_before and is_directory(self._directory)

    def later(self) -> None:
        """It has failed."""
        self._not_before = asyncio.get_running_loop().time() + self._backoff.delay()
