"""The DRA driver of rdma-dp: kubelet, its slices on the API server, and its claims."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from rdma_dp.doctor.check import Finding, check, fail, not_checked, ok, unknown, warn
from rdma_dp.doctor.facts.dra_drivers import NO_VIEW, dra_config, running, statuses
from rdma_dp.dra.slices import Gate
from rdma_dp.kubelet.directories import CLAIMS
from rdma_dp.kubelet.statuses import DriverStatus
from rdma_dp.kubelet.views import DRA_PLUGIN, KubeletView
from rdma_dp.node.view import NodeView

_FIND = "kubectl get pods -A -o wide --field-selector spec.nodeName=NODE"
_LOGS = "kubectl -n NAMESPACE logs POD"
_AS_ROOT = "sudo rdma-dp doctor"
_SLICES = "kubectl get resourceslices --field-selector spec.driver=DRIVER"
_GATES = "kube-apiserver --feature-gates=GATE=true  # and the scheduler; or Kubernetes 1.36"
_EACH = "set slots to each under dra in the config"
_TAINTS = "set linkDown to none under dra in the config"
_NODE = "set NODE_NAME in the DaemonSet from spec.nodeName, as deploy/ does"
_MOUNT = "mount KUBELET_ROOT/plugins from the node (a hostPath)"
_UNPREPARED = "kubectl get resourceclaims -A"
_FILES = f"ls -l DIRECTORY/{CLAIMS}"
_FINAL = "kubectl -n NAMESPACE get resourceclaim NAME -o yaml"

# Drivers that give network devices to pods, and take them out of the host while a pod has them.
_OTHERS: Mapping[str, str] = MappingProxyType(
    {
        "dra.net": "DRANET",
        "sriovnetwork.k8snetworkplumbingwg.io": "the SR-IOV driver",
    }
)

_GATE_REMEDIES: Mapping[str, str] = MappingProxyType(
    {Gate.CONSUMABLE_CAPACITY: _EACH, Gate.DEVICE_TAINTS: _TAINTS}
)


@check(
    "dra-driver",
    "kubelet has registered the DRA driver",
    reads="the sockets in KUBELET_ROOT/plugins_registry, and what rdma-dp reports on them",
    remedies=(_FIND, _LOGS, _NODE, _MOUNT, _AS_ROOT),
)
def driver(node: NodeView) -> Iterator[Finding]:
    """Without the driver, pods with a claim for its devices do not start, and those that have one
    cannot end. It needs the name of its node in NODE_NAME. It keeps prepared claims in a directory
    below KUBELET_ROOT/plugins, which must be the node's: otherwise they are lost with the
    container, and pods keep their HCAs without a record.
    """
    config, view = dra_config(node), node.answers.kubelet
    if config is None:
        return
    name = config.dra.driver_name
    if view is None:
        yield NO_VIEW
        return
    found = statuses(view, config)
    if not found and (unlisted := _unlisted(view)):
        yield unlisted
    elif not found and any(each.resource == name for each in view.sockets):
        yield unknown(f"the driver {name} reports no status: an older rdma-dp, or another program")
    elif not found:
        yield fail(f"no rdma-dp serves the driver {name}", _FIND, _LOGS)
    elif not any(each.registered for each in found):
        reason = next(filter(None, (each.trouble for each in found)), None)
        yield fail(
            f"is not registered: {reason or 'kubelet has not asked for it yet'}",
            _LOGS,
            subject=name,
        )
    for each in found:
        yield from _installed(each)
    yield ok(f"{name} is registered")


def _unlisted(view: KubeletView) -> Finding | None:
    place = view.plugins_registry
    if place not in view.unreadable:
        return None
    return unknown(f"cannot list {place}: {view.unreadable[place]}", _AS_ROOT)


def _installed(status: DriverStatus) -> Iterator[Finding]:
    if status.node is None:
        yield fail("its environment does not name the node", _NODE, subject=status.driver)
    if not status.directory_is_kept:
        yield fail(
            f"{status.directory} is in the container's own file system: claims are lost when it"
            " restarts",
            _MOUNT,
            subject=status.driver,
        )


@check(
    "dra-slices",
    "The API server has the devices of this node",
    reads="what rdma-dp reports of its ResourceSlices",
    remedies=(_SLICES, _LOGS),
)
def slices(node: NodeView) -> Iterator[Finding]:
    """Pods are scheduled by the devices in the node's ResourceSlices. If a slice is missing or old,
    pods wait, or get an HCA that is gone. rdma-dp reports why it cannot write: no token, no
    permission, or no answer.
    """
    found = running(node)
    if isinstance(found, Finding):
        yield found
        return
    for each in found:
        wait = each.failure or "the API server has not answered yet"
        if not each.listed:
            yield fail(f"the slices cannot be read: {wait}", _LOGS, subject=each.driver)
        elif not each.current:
            state = f"{each.slices} slices are published, which are not what the node offers"
            why = each.failure or "rdma-dp writes them now"
            yield (fail if each.failure else warn)(
                f"{state}: {why}",
                _SLICES.replace("DRIVER", each.driver),
                _LOGS,
                subject=each.driver,
            )
        elif each.failure:
            yield warn(f"changes are not seen: {each.failure}", _LOGS, subject=each.driver)
        else:
            yield ok(f"{each.driver}: {each.devices} devices in {each.slices} slices")


@check(
    "dra-gates",
    "The API server keeps all fields of the devices",
    reads="what rdma-dp reports: the fields that the API server has dropped",
    remedies=(_GATES, _EACH, _TAINTS),
)
def gates(node: NodeView) -> Iterator[Finding]:
    """An API server whose feature gate is off drops the fields of that gate and reports success.
    Without DRAConsumableCapacity a shared HCA would be an exclusive one. Without DRADeviceTaints
    pods would get an HCA without a link. rdma-dp does not publish such devices. Both gates are on
    since Kubernetes 1.36.
    """
    found = running(node)
    if isinstance(found, Finding):
        yield found
        return
    for each in found:
        for gate in each.lacking_gates:
            other = _GATE_REMEDIES.get(gate)
            yield fail(
                f"the API server lacks the feature gate {gate}: some devices are not published",
                _GATES.replace("GATE", gate),
                *([other] if other else []),
                subject=each.driver,
            )
        if not each.listed:
            yield not_checked("the API server has not answered", because="dra-slices")
        elif not each.lacking_gates:
            yield ok(f"{each.driver}: no field was dropped")


@check(
    "dra-rivals",
    "No other driver gives the HCAs to pods",
    reads="GetInfo on the sockets in KUBELET_ROOT/plugins_registry",
    remedies=(_FIND, _SLICES, _AS_ROOT),
)
def rivals(node: NodeView) -> Iterator[Finding]:
    """DRANET and the SR-IOV driver move the network interface of an HCA into one pod. Other pods of
    the HCA lose the interface then, and with it RoCE. Each driver publishes the HCA in slices of
    its own, so the scheduler cannot see that it is the same. Let each driver have HCAs of its own.
    """
    if dra_config(node) is None:
        return
    view = node.answers.kubelet
    if view is None:
        yield NO_VIEW
        return
    drivers = {each.resource for each in view.sockets if each.kind == DRA_PLUGIN}
    for name in (each for each in _OTHERS if each in drivers):
        yield warn(
            f"{_OTHERS[name]} runs on this node too: it may take the interface of a shared HCA",
            _SLICES.replace("DRIVER", name),
            _FIND,
            subject=name,
        )
    if unlisted := _unlisted(view):
        yield unlisted
    yield ok("no other driver of network devices is registered")


@check(
    "dra-claims",
    "Every prepared claim is one of a pod",
    reads="what rdma-dp reports, and KUBELET_ROOT/pod-resources/kubelet.sock",
    remedies=(_UNPREPARED, _FINAL, _FILES, _AS_ROOT),
)
def claims(node: NodeView) -> Iterator[Finding]:
    """kubelet has the claims of a pod prepared before it starts, and unprepared after it has ended.
    A claim that stays prepared without a pod keeps its slots. While a pod starts or ends, that is
    normal for some seconds. rdma-dp itself releases a claim that kubelet has forgotten, after some
    minutes, if the API server and kubelet both say that no pod has it.
    """
    found, view = running(node), node.answers.kubelet
    if isinstance(found, Finding):
        yield found
        return
    if not found or view is None:
        return
    stuck = dict(_stuck(found))
    yield from stuck.values()
    book = view.pod_resources
    if book is None or book.claims is None:
        why = view.why_no_pod_resources or "it does not list claims"
        yield unknown(f"kubelet's list of pods cannot be read: {why}", _AS_ROOT)
        return
    held = {f"{each.namespace}/{each.claim}" for each in book.claims}
    ours = {each for status in found for each in status.claims}
    if ours - stuck.keys() and not held:
        yield unknown(
            "kubelet lists no claim at all: one older than 1.34 lists them with the feature gate"
            " KubeletPodResourcesDynamicResources only",
            _UNPREPARED,
        )
        return
    for claim in sorted(ours - held - stuck.keys()):
        namespace, _, name = claim.partition("/")
        yield warn(
            "is prepared, but kubelet lists no container with it",
            _UNPREPARED,
            _FINAL.replace("NAMESPACE", namespace).replace("NAME", name),
            subject=claim,
        )
    yield ok(f"{len(ours)} claims are prepared, each for a pod")


def _stuck(found: tuple[DriverStatus, ...]) -> Iterator[tuple[str, Finding]]:
    for status in found:
        for text in status.stuck_claims:
            claim, _, reason = text.partition(": ")
            remedies = (_UNPREPARED, _FILES.replace("DIRECTORY", status.directory))
            said = f"kubelet has forgotten it, and rdma-dp cannot release it: {reason}"
            yield claim, warn(said, *remedies, subject=claim)


CHECKS = (driver, slices, gates, rivals, claims)
