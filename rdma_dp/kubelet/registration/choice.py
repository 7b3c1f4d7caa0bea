"""Which of the two ways to kubelet a resource takes."""

import logging
from dataclasses import dataclass
from enum import StrEnum

from rdma_dp.aio.directory_watch import DirectoryWatch
from rdma_dp.kubelet.device_plugin.servicer import Plugin
from rdma_dp.kubelet.directories import KUBELET_SOCKET, KubeletDirectories
from rdma_dp.kubelet.registration.by_call import DevicePluginsRegistration
from rdma_dp.kubelet.registration.by_watcher import PluginsRegistryRegistration
from rdma_dp.kubelet.sockets import socket_name

logger = logging.getLogger(__name__)

# Seconds. A kubelet that runs looks at a new socket within one; one that does not watch the
# directory never will, and the pods of a node that just booted wait.
_PATIENCE = 5.0


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

    `auto` is what the Go plugin does, by plugins_registry where that directory exists, with a way
    out: where kubelet does not watch it, nothing would ever happen.
    """
    name = socket_name(plugin.resource, kubelet.instance)
    directories = kubelet.directories
    if _begins_with_registry(kubelet):
        registration = PluginsRegistryRegistration(
            plugin,
            directories.plugins_registry / name,
            directories.device_plugins / KUBELET_SOCKET,
            kubelet.plugins_registry_watch,
        )
        why_not = await registration.run(
            _PATIENCE if kubelet.way is RegistrationMode.AUTO else None
        )
        logger.warning("%s: %s; calling Register instead", plugin.resource, why_not)
    await DevicePluginsRegistration(
        plugin, directories.device_plugins / name, kubelet.device_plugins_watch
    ).run()


def _begins_with_registry(kubelet: Kubelet) -> bool:
    if kubelet.way is RegistrationMode.AUTO:
        return kubelet.directories.plugins_registry.is_dir()
    return kubelet.way is RegistrationMode.PLUGINS_REGISTRY
