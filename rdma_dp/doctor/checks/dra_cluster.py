"""What claims need beside the driver: classes, an HCA near each GPU, and a runtime with CDI."""

import re
from collections.abc import Iterable, Iterator

from rdma_dp.doctor.check import Finding, check, fail, ok, unknown, warn
from rdma_dp.doctor.facts.dra_drivers import dra_config, running
from rdma_dp.dra.device_classes import Document, device_classes
from rdma_dp.dra.pcie_roots import published_roots
from rdma_dp.inventory.topology import Gpu
from rdma_dp.node.cluster_queries import ClusterClasses
from rdma_dp.node.view import NodeView
from rdma_dp.text import few

_CLASSES = "kubectl get deviceclasses"
_APPLY = "rdma-dp dra-class --config FILE | kubectl apply -f -"
_ROOTS = "set pcieRoots under dra in the config: OVERRIDES"
_TOPO = "rdma-dp topo"
_CDI = "set enable_cdi = true in /etc/containerd/config.toml, and restart containerd"
_VERSION = "containerd --version"
_CONTAINERD = "etc/containerd/config.toml"

_SETTING = re.compile(r"^\s*(enable_cdi|version)\s*=\s*(\w+)")
_ON_BY_DEFAULT = 3  # the version of the config file of containerd 2


@check(
    "dra-class",
    "The cluster has the DeviceClasses of the config",
    reads="the DeviceClasses on the API server, the prepared claims that rdma-dp reports",
    remedies=(_CLASSES, _APPLY),
)
def classes(node: NodeView) -> Iterator[Finding]:
    """A claim names a DeviceClass, and pods with the old limits need the class of the resource. An
    administrator applies them once in a cluster. The doctor can list them in the pod of rdma-dp,
    which has a token. Elsewhere, a prepared claim shows that one exists.
    """
    found, config = running(node), dra_config(node)
    if config is None:
        return
    remedies = (_CLASSES, _APPLY.replace("FILE", node.config.argument))
    wanted = device_classes(config)
    if node.classes is not None and node.classes.failure is None:
        yield from _missing(node.classes, wanted, remedies)
        yield ok(f"the cluster has the {len(wanted)} classes of the config")
    elif not isinstance(found, Finding) and any(each.claims for each in found):
        yield ok("claims are prepared, so there is a class")
    else:
        names = few(tuple(each["metadata"]["name"] for each in wanted), ", ")
        why = node.classes.failure if node.classes else "only the doctor in the pod can ask it"
        yield unknown(
            f"not checked whether the cluster has {names}: the API server was not asked: {why}",
            *remedies,
        )


def _missing(
    there: ClusterClasses, wanted: Iterable[Document], remedies: tuple[str, ...]
) -> Iterator[Finding]:
    """The class of single HCAs by its name. That of a resource can have any name."""
    for each in wanted:
        name, resource = each["metadata"]["name"], each["spec"].get("extendedResourceName")
        if resource is None and name not in there.names:
            yield warn("the cluster has no such DeviceClass", *remedies, subject=name)
        elif resource is not None and resource not in there.resources:
            yield warn(
                f"no DeviceClass has it as extendedResourceName, as {name} would",
                *remedies,
                subject=resource,
            )


@check(
    "dra-roots",
    "Every GPU has an HCA on its PCIe root",
    reads="the places of HCAs and GPUs in /sys/devices, dra.pcieRoots of the config",
    remedies=(_ROOTS, _TOPO),
)
def roots(node: NodeView) -> Iterator[Finding]:
    """A claim for a GPU and an HCA near it requires one value of `resource.kubernetes.io/pcieRoot`.
    A GPU whose root no HCA has can never be given with an HCA, and such pods stay Pending. This is
    so on GB300 and in many virtual machines. `pcieRoots` publishes an HCA under the root of a GPU.
    """
    config = dra_config(node)
    if config is None:
        return
    found = published_roots(node.pools, node.topology, config.dra.pcie_roots)
    if found.lonely:
        written = ", ".join(f'"{address}": "{root}"' for address, root in found.advised.items())
        yield warn(
            f"no HCA has the PCIe root of {len(found.lonely)} of {len(node.topology.gpus)} GPUs:"
            f" {_places(found.lonely)}",
            *([_ROOTS.replace("OVERRIDES", f"{{{written}}}")] if found.advised else []),
            _TOPO,
        )
    elif node.topology.gpus and any(each.root for each in found.devices):
        yield ok(f"{len(node.topology.gpus)} GPUs have an HCA on their root")


def _places(gpus: tuple[Gpu, ...]) -> str:
    return few(tuple(f"{gpu.place.address} on {gpu.place.host_bridge}" for gpu in gpus), ", ")


@check(
    "dra-cdi",
    "The container runtime reads CDI specs",
    reads=f"/{_CONTAINERD}",
    remedies=(_CDI, _VERSION),
)
def cdi(node: NodeView) -> Iterator[Finding]:
    """Containers get the devices of a claim by CDI. containerd 1.7 reads CDI specs only with
    `enable_cdi = true`. Without it, containers with a claim fail to start. containerd 2 and CRI-O
    read them by default.
    """
    if dra_config(node) is None:
        return
    # Few lines: a snapshot records them, and others of the file may hold passwords.
    lines = node.host.lines_with(_CONTAINERD, ("enable_cdi", "version =", "version="))
    if lines is None:
        yield unknown(f"there is no /{_CONTAINERD}: another runtime, or not visible here", _VERSION)
        return
    found = {m[1]: m[2] for m in map(_SETTING.match, lines) if m is not None}
    if (switch := found.get("enable_cdi")) == "true":
        yield ok(f"/{_CONTAINERD} has enable_cdi = true")
    elif switch is not None:
        yield fail(f"/{_CONTAINERD} has enable_cdi = {switch}", _CDI)
    elif found.get("version", "").isdecimal() and int(found["version"]) >= _ON_BY_DEFAULT:
        yield ok(f"/{_CONTAINERD} is one of containerd 2, which reads CDI specs by default")
    else:
        yield unknown(
            f"/{_CONTAINERD} does not set enable_cdi, which containerd 1.7 needs and 2 does not",
            _VERSION,
            _CDI,
        )


CHECKS = (classes, roots, cdi)
