"""CDI names of the Go plugin, for containers that were started under it. Pure.

With --use-cdi, Mellanox/k8s-rdma-shared-dev-plugin gives containers names of one kind for all its
resources: nvidia.com/net-rdma=PCI-ADDRESS. kubelet keeps them for the life of a pod, and the plugin
removes its specs when it ends. So a spec of ours defines these names, or no such container could
restart.

The Go plugin removes all files that begin with nvidia.com when it starts and when it ends. The name
of our file begins so on purpose: after a change back to the Go plugin, two files with the same
names would conflict, and a runtime resolves neither.

Sources: Mellanox/k8s-rdma-shared-dev-plugin v1.5.3, pkg/cdi/cdi.go and pkg/resources/server.go;
resolveConflict in pkg/cdi/cache.go of cncf-tags/container-device-interface.
"""

from collections.abc import Callable, Iterable, Mapping

from rdma_dp.inventory.hardware import CharDevice, Inventory
from rdma_dp.specs import cdi

KIND = "nvidia.com/net-rdma"
# Resources of the Go plugin have no "-" in their names, so none of its files has this name.
FILE_NAME = "nvidia.com_rdma-dp.json"

_ITS_FILES = "nvidia.com_"  # and the name of a resource
_ENDS = (".json", ".yaml")  # the files that a runtime reads
_PERMISSIONS = "rw"  # as the Go plugin gives them


def nodes_by_address(inventory: Inventory) -> Mapping[str, Iterable[str]]:
    """The paths of the device nodes by PCI address, for every HCA that the Go plugin can know.

    These are all HCAs on a PCI function, whatever the config says: a container keeps the names that
    the Go plugin's config gave it. The Go plugin does not know SFs.
    """
    common, found = _usable([inventory.system.rdma_cm]), dict[str, set[str]]()
    for hca in inventory.hcas:
        paths = _usable([hca.uverbs, *hca.management_nodes])
        if hca.function is not None and hca.subfunction is None and paths:
            found.setdefault(hca.function.address, {*common}).update(paths)
    return {address: sorted(found[address]) for address in sorted(found)}


def text(nodes: Mapping[str, Iterable[str]], others: Iterable[bytes] = ()) -> str | None:
    """The spec that defines these names; None without a name: then there must be no file.

    `others` are the contents of the Go plugin's own files. The names in them are left out.
    """
    taken = [content for content in others if defines(content)]
    devices = [
        cdi.device(address, paths, _PERMISSIONS)
        for address, paths in nodes.items()
        if not any(address.encode() in content for content in taken)
    ]
    return cdi.text(cdi.document(KIND, devices)) if devices else None


def defines(content: bytes) -> bool:
    """Whether a spec defines names of the Go plugin's kind."""
    return KIND.encode() in content


def may_be_the_go_plugins(file_name: str) -> bool:
    """Whether a file's name is one that the Go plugin gives to its specs."""
    return file_name.startswith(_ITS_FILES) and file_name.endswith(_ENDS) and file_name != FILE_NAME


def is_ours(file_name: str, read: Callable[[], bytes]) -> bool:
    """Whether rdma-dp wrote this file, by its name and the kind inside."""
    return file_name == FILE_NAME and cdi.is_of_kind(read(), KIND)


def _usable(devices: Iterable[CharDevice | None]) -> list[str]:
    return [device.path for device in devices if device is not None and device.usable]
