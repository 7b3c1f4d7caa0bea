"""kubelet: does it run, has it registered the plugin, and do both count the same slots?"""

from collections import Counter
from collections.abc import Iterator
from pathlib import PurePath

from rdma_dp.config import Via
from rdma_dp.doctor.check import Finding, check, fail, not_checked, ok, unknown, warn
from rdma_dp.kubelet.statuses import PluginStatus, SocketState
from rdma_dp.kubelet.views import KubeletView, PluginSocket
from rdma_dp.node.view import NodeView

_KUBELET = (
    "systemctl status kubelet  # or k3s, rke2-agent, k0sworker",
    "journalctl -u kubelet -n 50",
)
_AS_ROOT = "sudo rdma-dp doctor"
_LOGS = "kubectl -n NAMESPACE logs POD"
_RESTART = "kubectl -n NAMESPACE delete pod POD"
_DRY_RUN = "rdma-dp dry-run"
_FIND = "kubectl get pods -A -o wide --field-selector spec.nodeName=NODE"
_ELSEWHERE = "rdma-dp doctor --kubelet-root-dir DIR"
_MOVE = "helm upgrade rdma-dp deploy/helm/rdma-dp --reuse-values --set kubelet.rootDirectory=DIR"
_REMOVE_RIVAL = (
    _FIND,
    "kubectl -n NAMESPACE delete daemonset NAME  # of the other plugin; leave rdma-dp running",
    "rdma-dp doctor --only kubelet-registered,kubelet-counts  # once its pod has ended",
    f"{_RESTART}  # of rdma-dp, only if the counts still differ",
)
_NOT_QUERIED = not_checked("kubelet was not queried", because="kubelet-socket")
_NO_STATUS = not_checked("no rdma-dp reports its status", because="kubelet-plugin")


@check(
    "kubelet-socket",
    "kubelet answers",
    reads="KUBELET_ROOT/device-plugins/kubelet.sock",
    remedies=(*_KUBELET, _ELSEWHERE, _AS_ROOT),
)
def socket(node: NodeView) -> Iterator[Finding]:
    """Without kubelet no pod starts on the node. Its socket file remains when it exits, so the
    check connects to it. It sends nothing.
    """
    view = node.answers.kubelet
    if view is None:
        yield unknown("a captured tree does not show the state of kubelet: run it on the node")
        return
    path = f"{view.device_plugins}/kubelet.sock"
    if view.device_plugins in view.unreadable:
        yield _unreadable(view, view.device_plugins)
    elif view.kubelet is None:
        yield fail(f"there is no {path}", *_KUBELET)
    elif view.kubelet is SocketState.STALE:
        yield fail(f"{path} exists, but no process listens: kubelet has exited", *_KUBELET)
    elif view.kubelet is SocketState.SILENT:
        yield fail(f"{path} accepts no connections: kubelet hangs", *_KUBELET)
    elif view.kubelet is SocketState.REFUSED:
        yield unknown(f"no permission to connect to {path}", _AS_ROOT)
    else:
        yield ok(f"{path} answers")


def _unreadable(view: KubeletView, directory: str) -> Finding:
    why = view.unreadable[directory]
    if directory in view.forbidden:
        return unknown(f"cannot list {directory}: {why}", _AS_ROOT)
    return fail(f"cannot list {directory}: {why}", *_KUBELET, _ELSEWHERE)


def _not_listed(view: KubeletView) -> str:
    return "; ".join(f"cannot list {place}: {why}" for place, why in view.unreadable.items())


@check(
    "kubelet-directory",
    "rdma-dp uses kubelet's directory",
    reads="--root-dir of the process kubelet; the directories of k0s, k3s, rke2 and microk8s",
    remedies=(_MOVE, _ELSEWHERE),
)
def directory(node: NodeView) -> Iterator[Finding]:
    """Some distributions have another root directory of kubelet. With a wrong directory the plugin
    waits for kubelet forever, and the node has no such resource.
    """
    view = node.answers.kubelet
    if view is None:
        yield _NOT_QUERIED
        return
    answers = view.kubelet is SocketState.ANSWERS
    for place in view.elsewhere:
        yield (warn if answers else fail)(
            f"{'another' if answers else 'a'} kubelet answers below {place}"
            f"{'' if answers else f', not below {view.root}'}",
            _MOVE.replace("DIR", place),
            _ELSEWHERE.replace("DIR", place),
        )
    if answers:
        yield ok(f"a kubelet answers below {view.root}, and none below other known directories")
    else:
        yield unknown(f"no kubelet answers below {view.root} or below other known directories")


@check(
    "kubelet-plugin",
    "rdma-dp serves every resource of the config",
    reads="the sockets in KUBELET_ROOT/device-plugins and KUBELET_ROOT/plugins_registry",
    remedies=(_FIND, _LOGS, _RESTART, _AS_ROOT),
)
def plugin(node: NodeView) -> Iterator[Finding]:
    """A resource that no plugin serves is not in the node's status. Pods that request it stay
    Pending.
    """
    view = node.answers.kubelet
    if view is None:
        yield _NOT_QUERIED
        return
    if view.unreadable and not any(each.ours for each in view.sockets):
        yield unknown(_not_listed(view))
        return
    ours = [each for each in view.sockets if each.ours]
    yield from _problems(ours)
    served = {each.resource for each in view.statuses}
    if not any(_may_serve(each) for each in ours):
        for name in _configured(node) - served:
            if view.unreadable:
                yield unknown(
                    f"no rdma-dp seems to serve it, but {_not_listed(view)}", subject=name
                )
            else:
                yield fail("no rdma-dp serves it", _FIND, _LOGS, subject=name)
    if served:
        yield ok(f"served: {', '.join(sorted(filter(None, served)))}")
    elif not ours and not _configured(node) and node.pools:
        yield ok("no resource of the config is a device plugin: all are offered by DRA")
    elif not ours and not _configured(node):
        yield unknown("there is no socket of rdma-dp, and no config with resources", _FIND)


def _problems(ours: list[PluginSocket]) -> Iterator[Finding]:
    for each in ours:
        if each.state is SocketState.STALE:
            yield warn("remains of an rdma-dp that was killed", _FIND, subject=each.path)
        elif each.state is SocketState.SILENT:
            yield fail("does not answer: its rdma-dp hangs", _RESTART, subject=each.path)
        elif each.state is SocketState.REFUSED:
            yield unknown("no permission to connect", _AS_ROOT, subject=each.path)
        elif each.status is None:
            yield unknown("belongs to an older rdma-dp, which reports no status", subject=each.path)


def _may_serve(each: PluginSocket) -> bool:
    """Whether it may serve a resource that it does not report."""
    return each.status is None and each.state is not SocketState.STALE


def _configured(node: NodeView) -> set[str]:
    plugins = (each.resource for each in node.pools if each.resource.via is Via.PLUGIN)
    return {resource.full_name for resource in plugins}


@check(
    "kubelet-registered",
    "kubelet has registered every resource",
    reads="what rdma-dp reports on its sockets: the open ListAndWatch streams",
    remedies=(_LOGS,),
)
def registered(node: NodeView) -> Iterator[Finding]:
    """kubelet has one open ListAndWatch stream to each registered plugin. Without the stream all
    slots are unhealthy at once, and kubelet drops the resource after five minutes. During a rolling
    update one of two rdma-dp has the stream, which is enough.
    """
    view = node.answers.kubelet
    if view is None or not view.statuses:
        yield _NOT_QUERIED if view is None else _NO_STATUS
        return
    connected = {status.resource for status in view.statuses if status.streams}
    for status in view.statuses:
        if status.resource not in connected:
            why = status.trouble or "kubelet has opened no ListAndWatch yet"
            yield fail(f"is not registered by {status.way}: {why}", _LOGS, subject=status.resource)
    served = (f"{each.resource} by {each.way}" for each in view.statuses if each.streams)
    yield ok(f"registered: {', '.join(sorted(served))}")


@check(
    "kubelet-counts",
    "kubelet counts what rdma-dp lists",
    reads="KUBELET_ROOT/pod-resources/kubelet.sock, GetAllocatableResources",
    remedies=(_RESTART, _DRY_RUN, "mount KUBELET_ROOT/pod-resources", _AS_ROOT),
)
def counts(node: NodeView) -> Iterator[Finding]:
    """Pods are scheduled by kubelet's count of healthy slots. It differs from the count of rdma-dp
    when kubelet uses another plugin for the resource, or has lost rdma-dp.
    """
    view = node.answers.kubelet
    if view is None or not view.statuses:
        yield _NOT_QUERIED if view is None else _NO_STATUS
        return
    if view.pod_resources is None:
        yield _no_pod_resources(view)
        return
    for status in view.statuses:
        yield from _compared(status, view.pod_resources.allocatable.get(status.resource, 0))


def _no_pod_resources(view: KubeletView) -> Finding:
    return unknown(
        f"kubelet's count cannot be read: {view.why_no_pod_resources}",
        f"mount {view.root}/pod-resources from the node (a hostPath)",
        _AS_ROOT,
    )


def _compared(status: PluginStatus, allocatable: int) -> Iterator[Finding]:
    name = status.resource
    if allocatable != status.healthy:
        yield fail(
            f"kubelet counts {allocatable} healthy slots, rdma-dp lists {status.healthy}",
            _RESTART,
            subject=name,
        )
    elif not status.listed:  # slots of HCAs that are gone would be listed as unhealthy
        yield warn("rdma-dp lists no slot: no HCA of this node is in it", _DRY_RUN, subject=name)
    elif not allocatable:
        why = "; ".join(status.reasons) or "it has no HCA"
        yield fail(f"none of {status.listed} slots is healthy: {why}", _DRY_RUN, subject=name)
    else:
        yield ok(f"{name}: {allocatable} healthy of {status.listed}, for kubelet too")


@check(
    "kubelet-rivals",
    "No other plugin serves the same resource",
    reads="the sockets in KUBELET_ROOT/device-plugins and plugins_registry, and their GetInfo",
    remedies=_REMOVE_RIVAL,
)
def rivals(node: NodeView) -> Iterator[Finding]:
    """kubelet identifies plugins by their resource only. The plugin that registered last is the one
    that kubelet uses. When it exits, kubelet drops the resource, even if the other plugin runs on.
    rdma-dp registers again within seconds then. Pods on the node that request the resource in
    between are refused, so remove the other plugin first and restart rdma-dp last, if at all.
    """
    view = node.answers.kubelet
    if view is None:
        yield _NOT_QUERIED
        return
    if view.unreadable and not view.sockets:
        yield unknown(_not_listed(view))
        return
    serving = Counter(status.resource for status in view.statuses)
    for name in (name for name, times in serving.items() if times > 1):
        yield warn(
            f"{serving[name]} rdma-dp serve it, which is normal during a rolling update",
            _FIND,
            subject=name,
        )
    names = {*serving, *_configured(node)}
    others = [each for each in view.sockets if not each.ours]
    for each in others:
        yield from _rival(each, names)
    silent = [PurePath(each.path).name for each in others if each.resource is None]
    without_resource = (
        f"; these do not report their resource: {', '.join(silent)}" if silent else ""
    )
    if view.unreadable:
        yield unknown(_not_listed(view))
    yield ok(f"{len(others)} sockets of other plugins{without_resource}")


def _rival(each: PluginSocket, names: set[str]) -> Iterator[Finding]:
    if each.kind == "DevicePlugin" and each.resource in names:
        yield fail(f"{each.path} serves it too", *_REMOVE_RIVAL, subject=each.resource or "")
    elif each.resource is None and each.state is not SocketState.STALE:
        # The Go plugin's socket has the name of its resource, without the prefix.
        alike = [
            name for name in names if f"{name.rpartition('/')[2]}.sock" == PurePath(each.path).name
        ]
        for name in alike:
            yield warn(
                f"{each.path} may serve it: the socket of the Go plugin has this name",
                *_REMOVE_RIVAL,
                subject=name,
            )


CHECKS = (socket, directory, plugin, registered, counts, rivals)
