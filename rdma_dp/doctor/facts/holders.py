"""The containers that hold a resource of rdma-dp, as kubelet and /proc show them."""

from collections.abc import Iterator
from dataclasses import dataclass

from rdma_dp.doctor.check import Finding, not_checked, unknown
from rdma_dp.doctor.facts.roce import roce_ports
from rdma_dp.host import containers
from rdma_dp.host.containers import Container, Name
from rdma_dp.host.files import HostError
from rdma_dp.inventory.hardware import Hca
from rdma_dp.kubelet.views import PodResources
from rdma_dp.node.view import NodeView

# A pod that shares the node's PID namespace and has the node's files below /host.
ON_THE_NODE = (
    "kubectl debug node/NODE -it --profile=sysadmin --image=IMAGE --"
    " rdma-dp doctor --kubelet-root-dir /host/var/lib/kubelet"
)
WITH_CONFIG = "rdma-dp doctor --config FILE"
AS_ROOT = "sudo rdma-dp doctor  # on the node itself"


@dataclass(frozen=True, slots=True)
class HeldContainer:
    """A container that holds a resource, and the HCAs whose uverbs nodes it has.

    `roce` are those of its HCAs that have a RoCE port.
    """

    name: Name
    container: Container
    hcas: tuple[Hca, ...]
    roce: tuple[Hca, ...]

    @property
    def main(self) -> int:
        """The id of its main process."""
        return self.container.main

    @property
    def subject(self) -> str:
        """Its name in findings."""
        return str(self.name)


@dataclass(frozen=True, slots=True)
class Holders:
    """All containers that hold a resource of the config or of a running rdma-dp.

    `gone` are the names of those without a process. `unseen` is the reason why the containers
    cannot be inspected; `running` and `gone` are empty then.
    """

    running: tuple[HeldContainer, ...] = ()
    gone: tuple[Name, ...] = ()
    unseen: Finding | None = None

    @property
    def not_inspected(self) -> Iterator[Finding]:
        """The finding of every check of pods but pod-processes, if there is none to inspect."""
        if self.unseen is not None:
            yield not_checked("pods cannot be inspected", because="pod-processes")
        elif self.gone and not self.running:
            yield not_checked("no process of a holder was found", because="pod-processes")


def find_holders(node: NodeView) -> Holders:
    """The containers, found by what kubelet lists and by the processes in /proc."""
    wanted = _listed_holders(node)
    if isinstance(wanted, Finding):
        return Holders(unseen=wanted)
    if not wanted:
        return Holders()
    try:
        return _with_processes(node, wanted)
    except HostError as error:
        remedy = () if error.hint is None else (error.hint,)
        return Holders(unseen=unknown(error.message, *remedy))


def _with_processes(node: NodeView, wanted: tuple[Name, ...]) -> Holders:
    """Raises HostError where /proc cannot be read."""
    if not containers.sees_all_processes(node.host):
        text = "/proc does not have the node's processes (hostPID)"
        return Holders(unseen=unknown(text, ON_THE_NODE, AS_ROOT))
    names = containers.names(node.host)
    if not names:
        text = "there is no container in the node's /var/log/containers, which has their names"
        return Holders(unseen=unknown(text))
    found = {names.get(each.of.container): each for each in containers.running(node.host)}
    return Holders(
        running=tuple(_held(node, name, found[name]) for name in wanted if name in found),
        gone=tuple(name for name in wanted if name not in found),
    )


def _held(node: NodeView, name: Name, container: Container) -> HeldContainer:
    nodes = set(containers.uverbs(node.host, container.main))
    hcas = tuple(h for h in node.inventory.hcas if h.uverbs and h.uverbs.name in nodes)
    roce = tuple(hca for hca in hcas if roce_ports(node.host, hca))
    return HeldContainer(name, container, hcas, roce)


def _listed_holders(node: NodeView) -> tuple[Name, ...] | Finding:
    """The names of the containers that hold a resource, as kubelet lists them, or why not."""
    view = node.answers.kubelet
    if view is None:
        return not_checked("kubelet cannot list the holders of resources", because="kubelet-socket")
    if view.pod_resources is None:
        return unknown(
            f"kubelet cannot list the holders of resources: {view.why_no_pod_resources}",
            f"mount {view.root}/pod-resources from the node (a hostPath)",
            ON_THE_NODE,
            AS_ROOT,
        )
    ours = {pool.resource.full_name for pool in node.pools}
    ours |= {status.resource for status in view.statuses}
    if not ours:
        text = "neither a config nor a running rdma-dp names the resources to search for"
        return unknown(text, WITH_CONFIG)
    return _names(view.pod_resources, ours)


def _names(pod_resources: PodResources, resources: set[str]) -> tuple[Name, ...]:
    held = (each for each in pod_resources.holders if each.resource in resources and each.ids)
    return tuple(dict.fromkeys(Name(h.namespace, h.pod, h.container) for h in held))
