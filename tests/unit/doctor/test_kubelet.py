"""What the checks of kubelet make of what was seen: something wrong, and the same mended."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from rdma_dp.config import Config, Via, load
from rdma_dp.doctor.check import Check, Verdict
from rdma_dp.doctor.checks import kubelet
from rdma_dp.doctor.examination import Result, examine
from rdma_dp.host.files import Host
from rdma_dp.host.netlink.values import QueuePairs
from rdma_dp.inventory.hardware import Inventory
from rdma_dp.kubelet.statuses import PluginStatus, SocketState
from rdma_dp.kubelet.views import Holder, KubeletView, PluginSocket, PodResources
from rdma_dp.node.answers import Answers
from rdma_dp.node.view import ConfigSeen, NodeView
from rdma_dp.sharing.pool import make_pools
from tests.unit.doctor.ailing import ALL_MELLANOX

DP, PR = "/var/lib/kubelet/device-plugins", "/var/lib/kubelet/plugins_registry"
CONFIG: Config = load(ALL_MELLANOX).config
NAME = CONFIG.config_list[0].full_name
STALE, SILENT, REFUSED = SocketState.STALE, SocketState.SILENT, SocketState.REFUSED

STATUS = PluginStatus("1.0", 7, 1, NAME, "plugins-registry", streams=1, listed=4, healthy=4)
OURS = PluginSocket(f"{PR}/rdma-dp-a-1-2.sock", SocketState.ANSWERS, True, STATUS, NAME)
WELL = KubeletView(
    "/var/lib/kubelet", DP, PR, SocketState.ANSWERS, (OURS,), PodResources({NAME: 4})
)


def ours(**changes: Any) -> tuple[PluginSocket, ...]:
    return (replace(OURS, status=replace(STATUS, **changes)),)


def other(path: str, resource: str | None = None) -> PluginSocket:
    kind = "DevicePlugin" if resource else None
    return PluginSocket(path, SocketState.ANSWERS, resource=resource, kind=kind)


def seen(check: Check, view: KubeletView | None) -> Result:
    pools = make_pools(CONFIG, Inventory())
    host = Host("/nowhere")
    node = NodeView(host, Inventory(), Answers(kubelet=view), ConfigSeen(Path("c"), CONFIG), pools)
    (result,) = examine(node, [check])
    return result


@pytest.mark.parametrize("check", kubelet.CHECKS, ids=lambda check: check.id)
def test_a_node_that_is_well_is_well(check: Check) -> None:
    assert seen(check, WELL).verdict is Verdict.OK


@pytest.mark.parametrize("check", kubelet.CHECKS, ids=lambda check: check.id)
def test_where_nobody_could_be_asked_nothing_is_known(check: Check) -> None:
    result = seen(check, None)
    assert result.verdict is Verdict.UNKNOWN
    assert len(result.findings) == 1


ILL: dict[str, tuple[Check, dict[str, Any], Verdict, str, str]] = {
    "no kubelet": (kubelet.socket, {"kubelet": None}, Verdict.FAIL, "there is no", "systemctl"),
    "kubelet ended": (
        kubelet.socket,
        {"kubelet": STALE},
        Verdict.FAIL,
        "no process listens",
        "journalctl",
    ),
    "kubelet hangs": (kubelet.socket, {"kubelet": SILENT}, Verdict.FAIL, "hangs", "systemctl"),
    "not root": (kubelet.socket, {"kubelet": REFUSED}, Verdict.UNKNOWN, "no permission", "sudo"),
    "not mounted": (
        kubelet.socket,
        {"kubelet": None, "unreadable": {DP: "No such file or directory"}},
        Verdict.FAIL,
        "cannot list",
        "--kubelet-root-dir",
    ),
    "not to be listed": (
        kubelet.socket,
        {"kubelet": None, "unreadable": {DP: "Permission denied"}, "forbidden": (DP,)},
        Verdict.UNKNOWN,
        "Permission denied",
        "sudo",
    ),
    "kubelet elsewhere": (
        kubelet.directory,
        {"kubelet": None, "elsewhere": ("/var/lib/k0s/kubelet",)},
        Verdict.FAIL,
        "below /var/lib/k0s/kubelet, not below /var/lib/kubelet",
        "kubelet.rootDirectory=/var/lib/k0s/kubelet",
    ),
    "two kubelets": (
        kubelet.directory,
        {"elsewhere": ("/data/kubelet",)},
        Verdict.WARN,
        "another kubelet",
        "--kubelet-root-dir /data/kubelet",
    ),
    "no plugin": (kubelet.plugin, {"sockets": ()}, Verdict.FAIL, "no rdma-dp", "kubectl get pods"),
    "a plugin of another resource": (
        kubelet.plugin,
        {"sockets": ours(resource="rdma/other")},
        Verdict.FAIL,
        "no rdma-dp serves it",
        "logs",
    ),
    "a directory of two that cannot be listed": (
        kubelet.plugin,
        {"sockets": (other(f"{DP}/x.sock"),), "unreadable": {PR: "Permission denied"}},
        Verdict.UNKNOWN,
        f"cannot list {PR}: Permission denied",
        "",
    ),
    "the same, with a plugin of another resource in the other": (
        kubelet.plugin,
        {"sockets": ours(resource="rdma/other"), "unreadable": {PR: "Permission denied"}},
        Verdict.UNKNOWN,
        f"cannot list {PR}: Permission denied",
        "",
    ),
    "rivals in a directory that cannot be listed": (
        kubelet.rivals,
        {"unreadable": {DP: "Permission denied"}},
        Verdict.UNKNOWN,
        f"cannot list {DP}",
        "",
    ),
    "a socket left behind": (
        kubelet.plugin,
        {"sockets": (OURS, replace(OURS, state=STALE, status=None))},
        Verdict.WARN,
        "was killed",
        "kubectl",
    ),
    "a plugin that hangs": (
        kubelet.plugin,
        {"sockets": (replace(OURS, state=SILENT, status=None),)},
        Verdict.FAIL,
        "hangs",
        "delete pod",
    ),
    "a plugin that tells no status": (
        kubelet.plugin,
        {"sockets": (replace(OURS, status=None),)},
        Verdict.UNKNOWN,
        "older",
        "",
    ),
    "not registered": (
        kubelet.registered,
        {"sockets": ours(streams=0, trouble="kubelet refused the registration: full")},
        Verdict.FAIL,
        "by plugins-registry: kubelet refused",
        "logs",
    ),
    "without a status": (
        kubelet.registered,
        {"sockets": ()},
        Verdict.UNKNOWN,
        "kubelet-plugin",
        "",
    ),
    "kubelet counts fewer": (
        kubelet.counts,
        {"pod_resources": PodResources({NAME: 1})},
        Verdict.FAIL,
        "counts 1 healthy slots, rdma-dp lists 4",
        "delete pod",
    ),
    "kubelet does not know the resource": (
        kubelet.counts,
        {"pod_resources": PodResources()},
        Verdict.FAIL,
        "counts 0",
        "delete pod",
    ),
    "nothing healthy": (
        kubelet.counts,
        {"sockets": ours(healthy=0, reasons=("mlx5_0: DOWN",)), "pod_resources": PodResources()},
        Verdict.FAIL,
        "none of 4 slots is healthy: mlx5_0: DOWN",
        "dry-run",
    ),
    "a resource that this node has no HCA for": (
        kubelet.counts,
        {"sockets": ours(healthy=0, listed=0), "pod_resources": PodResources()},
        Verdict.WARN,
        "lists no slot",
        "dry-run",
    ),
    "no book": (
        kubelet.counts,
        {"pod_resources": None, "why_no_pod_resources": "there is no X"},
        Verdict.UNKNOWN,
        "there is no X",
        "mount /var/lib/kubelet/pod-resources",
    ),
    "two of ours": (
        kubelet.rivals,
        {"sockets": (OURS, replace(OURS, path=f"{PR}/rdma-dp-a-1-3.sock"))},
        Verdict.WARN,
        "2 rdma-dp",
        "kubectl",
    ),
    "another plugin says that it serves it": (
        kubelet.rivals,
        {"sockets": (OURS, other(f"{PR}/x.sock", NAME))},
        Verdict.FAIL,
        f"{PR}/x.sock serves it too",
        "delete daemonset",
    ),
    "a socket of the Go plugin's name": (
        kubelet.rivals,
        {"sockets": (OURS, other(f"{DP}/{NAME.rpartition('/')[2]}.sock"))},
        Verdict.WARN,
        "may serve it",
        "delete daemonset",
    ),
}


@pytest.mark.parametrize("case", ILL)
def test_what_is_wrong_is_said_with_what_to_type(case: str) -> None:
    check, changes, verdict, evidence, remedy = ILL[case]
    result = seen(check, replace(WELL, **changes))
    assert result.verdict is verdict
    assert any(evidence in finding.evidence for finding in result.findings)
    assert not remedy or any(remedy in step for step in result.remedy)


def test_a_resource_via_dra_is_no_device_plugin() -> None:
    over = tuple(replace(each, via=Via.DRA) for each in CONFIG.config_list)
    pools = make_pools(Config(config_list=over), Inventory())
    config = ConfigSeen(Path("c"), Config(config_list=over))
    view = replace(WELL, sockets=(), pod_resources=PodResources({}))
    node = NodeView(Host("/nowhere"), Inventory(), Answers(kubelet=view), config, pools)
    for check in (kubelet.plugin, kubelet.rivals):
        (result,) = examine(node, [check])
        assert result.verdict is Verdict.OK, result.findings


def test_in_a_rolling_update_one_of_two_is_registered_and_that_is_enough() -> None:
    new = replace(OURS, path=f"{PR}/rdma-dp-a-1-3.sock", status=replace(STATUS, streams=0))
    result = seen(kubelet.registered, replace(WELL, sockets=(OURS, new)))
    assert result.verdict is Verdict.OK, result.findings


def test_after_a_rolling_update_one_has_two_sockets_and_is_one() -> None:
    """By plugins_registry it has a second one, where Register finds it."""
    sockets = (OURS, replace(OURS, path=OURS.path.replace(PR, DP)))
    assert sockets[0].path != sockets[1].path
    for check in (kubelet.rivals, kubelet.registered, kubelet.plugin):
        result = seen(check, replace(WELL, sockets=sockets))
        assert result.verdict is Verdict.OK, result.findings


def test_without_a_config_too_a_directory_that_cannot_be_listed_is_told() -> None:
    view = replace(WELL, sockets=(other(f"{DP}/x.sock"),), unreadable={PR: "Permission denied"})
    missing = ConfigSeen(Path("c"), missing=True)
    node = NodeView(Host("/nowhere"), Inventory(), Answers(kubelet=view), missing)
    (result,) = examine(node, [kubelet.plugin])
    assert [each.evidence for each in result.findings] == [f"cannot list {PR}: Permission denied"]


def test_a_strangers_socket_is_no_rival_and_said_to_be_mute() -> None:
    sockets = (OURS, other(f"{DP}/nvidia-gpu.sock"), other(f"{PR}/csi.sock", "csi.example.com"))
    result = seen(kubelet.rivals, replace(WELL, sockets=sockets))
    assert result.verdict is Verdict.OK
    assert "do not report their resource: nvidia-gpu.sock" in result.findings[0].evidence


def test_every_remedy_that_is_given_is_in_the_catalogue() -> None:
    """With what stands for its placeholders, a step begins as one of those that it promises."""
    for check, changes, _, _, _ in ILL.values():
        promised = [step.split()[0] for step in check.remedies]
        for step in seen(check, replace(WELL, **changes)).remedy:
            assert step.split()[0] in promised, step


@given(st.builds(KubeletView, *[st.text(max_size=5)] * 3))
def test_a_view_goes_into_json_and_back(view: KubeletView) -> None:
    """A snapshot keeps it so."""
    full = replace(
        view,
        kubelet=SocketState.ANSWERS,
        sockets=(OURS, other("x", "y")),
        pod_resources=PodResources({NAME: 3}, (Holder("n", "p", "c", NAME, ("0",)),)),
        unreadable={"/a": "why"},
        elsewhere=("/b",),
    )
    answers = Answers(kubelet=full, queue_pairs={"mlx5_0": QueuePairs({7: 2}, 1)})
    adapter = TypeAdapter(Answers)
    assert adapter.validate_json(adapter.dump_json(answers)) == answers
