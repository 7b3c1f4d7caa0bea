"""The directories that kubelet and plugins share."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class KubeletDirectories:
    """kubelet's two directories for plugins."""

    device_plugins: Path
    plugins_registry: Path

    @classmethod
    def below(cls, root: Path, device_plugins: Path | None = None) -> "KubeletDirectories":
        """The directories below kubelet's root; device-plugins may be elsewhere."""
        return cls(device_plugins or root / "device-plugins", root / "plugins_registry")

    @property
    def plugins(self) -> Path:
        """Where each DRA driver has a directory of its own."""
        return self.plugins_registry.parent / "plugins"

    @property
    def pod_resources(self) -> Path:
        """The socket on which kubelet lists pods with their devices and claims."""
        return self.plugins_registry.parent / "pod-resources" / KUBELET_SOCKET


def is_directory(path: Path) -> bool:
    """Whether there is a directory, as far as this process can tell."""
    return os.path.isdir(path)  # noqa: PTH112 - Path.is_dir raises some errors


KUBELET_SOCKET = "kubelet.sock"

# The directory of a DRA driver of ours with a file for each prepared claim. Directories of other
# drivers below plugins have no such directory.
CLAIMS = "rdma-dp-claims"


# Where distributions keep kubelet's root, if not in /var/lib/kubelet.
WELL_KNOWN_ROOTS = (
    "/var/lib/kubelet",
    "/var/lib/k0s/kubelet",
    "/var/snap/microk8s/common/var/lib/kubelet",
    "/var/lib/rancher/k3s/agent/kubelet",
    "/var/lib/rancher/rke2/agent/kubelet",
    "/data/kubelet",
)
