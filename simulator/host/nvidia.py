"""NVIDIA's driver below /proc: the kind of kernel module, and the models of the GPUs."""

from simulator.host.scene import Scene
from simulator.host.tree import Tree

_VERSIONS = {
    "open": "NVIDIA UNIX Open Kernel Module for {machine}  570.124.06  Release Build  (builder)",
    "proprietary": "NVIDIA UNIX {machine} Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024",
}


def lay_out(tree: Tree, scene: Scene) -> None:
    """The files below /proc/driver/nvidia, if the driver is loaded."""
    kind = scene.manifest.nvidia
    if kind is None or "nvidia" not in scene.modules:
        return
    version = _VERSIONS[kind].format(machine=scene.manifest.machine)
    text = f"NVRM version: {version}\nGCC version:  gcc version 12.3.0\n"
    tree.file("proc/driver/nvidia/version", text.encode())
    gpus = (site for site in scene.sites if site.driver == "nvidia" and site.function is not None)
    for minor, site in enumerate(sorted(gpus, key=lambda site: site.name)):
        if site.function is not None and site.function.model:
            lines = (
                f"Model: \t\t {site.function.model}\nBus Location: \t {site.address}\n"
                f"Device Minor: \t {minor}\n"
            )
            tree.file(f"proc/driver/nvidia/gpus/{site.address}/information", lines.encode())
