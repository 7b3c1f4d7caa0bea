"""Checks of pods on made trees: a pod with something wrong, and the same pod mended."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from rdma_dp.config.loading import find_config
from rdma_dp.discovery import scan
from rdma_dp.doctor.check import Check, Verdict
from rdma_dp.doctor.checks import pod_nccl, pod_networks, pod_queue_pairs, pods
from rdma_dp.doctor.examination import Result, examine
from rdma_dp.host.files import Host
from rdma_dp.host.netlink.values import QueuePairs
from rdma_dp.kubelet.views import Holder, KubeletView, PodResources
from rdma_dp.node.answers import Answers
from rdma_dp.node.source import NodeSource
from rdma_dp.node.view import NodeView, view_node
from tests.conftest import Fresh
from tests.unit.doctor.ailing import ALL_MELLANOX
from tests.unit.doctor.test_processes import FIB_TRIE, ID, STAT, UID

POD_CHECKS = tuple(
    each for module in (pods, pod_networks, pod_queue_pairs, pod_nccl) for each in module.CHECKS
)
PID, MATE = 4000, 4001  # process 1 of the container, and a second one
NAME = "default/train-0 main"
LIMIT = "Max locked memory         {0:<20} {0:<20} bytes\n"
STATUS = "Tgid:\t{pid}\nCapEff:\t{caps}\nNSpid:\t{pid}\t{inner}\n"
PLAIN, IPC_LOCK = "00000000a80425fb", "00000000a80465fb"
TWO = "h\nh\n lo: 0 0\n eth0: 0 0\n net1: 0 0\n"
ONE = "h\nh\n lo: 0 0\n eth0: 0 0\n"
HOUR = 3600


class Node:
    """A sample host whose /proc has one pod that holds RDMA and one process that is no pod's."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.config = ALL_MELLANOX
        self.inventory = scan(Host(root))
        self.hca = next(hca for hca in self.inventory.hcas if hca.shareable and hca.uverbs)
        self.answers = Answers(
            kubelet=KubeletView("/k", "/k/d", "/k/p", pod_resources=self.book()),
            queue_pairs={hca.name: QueuePairs() for hca in self.inventory.hcas},
        )
        self.file("2/stat", STAT.format(pid=2, command="kthreadd", flags=2129984, started=0))
        self.file("1/cgroup", "0::/init.scope\n")
        self.file(f"1/root/var/log/containers/train-0_default_main-{ID}.log", "")
        self.file("uptime", f"{2 * HOUR}.5 9.9\n")
        self.link(1, "net", "net:[1]")
        self.link(1, "user", "user:[1]")
        for pid, inner in ((PID, 1), (MATE, 20)):
            self.process(pid, inner)

    def process(self, pid: int, inner: int) -> None:
        self.file(f"{pid}/cgroup", f"0::/kubepods/pod{UID}/{ID}\n")
        self.file(f"{pid}/environ", "")
        self.file(f"{pid}/limits", LIMIT.format("unlimited"))
        self.file(f"{pid}/status", STATUS.format(pid=pid, caps=PLAIN, inner=inner))
        self.started(pid, HOUR)
        self.file(f"{pid}/net/dev", TWO)
        self.file(f"{pid}/net/fib_trie", FIB_TRIE)
        self.file(f"{pid}/net/if_inet6", "")
        assert self.hca.uverbs
        self.file(f"{pid}/root/dev/infiniband/{self.hca.uverbs.name}", "")
        self.link(pid, "net", "net:[2]")
        self.link(pid, "user", "user:[1]")

    def started(self, pid: int, seconds: int) -> None:
        self.file(
            f"{pid}/stat", STAT.format(pid=pid, command="x) y (", flags=0, started=seconds * 100)
        )

    def file(self, path: str, text: str) -> None:
        file = self.root / "proc" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def link(self, pid: int, kind: str, target: str) -> None:
        link = self.root / f"proc/{pid}/ns/{kind}"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(target)

    def gid(self, address: str) -> None:
        directory = self.root / f"sys/class/infiniband/{self.hca.name}/ports/1/gids"
        directory.mkdir(exist_ok=True)
        (directory / "3").write_text(f"0000:0000:0000:0000:0000:ffff:{address}\n")

    def book(self) -> PodResources:
        node = view_node(NodeSource(Host(self.root), Answers()), find_config(ALL_MELLANOX))
        resource = node.pools[0].resource.full_name
        return PodResources(
            {resource: 1}, (Holder("default", "train-0", "main", resource, ("0",)),)
        )

    def pairs(self, pairs: QueuePairs) -> None:
        told: Mapping[str, QueuePairs] = {**(self.answers.queue_pairs or {}), self.hca.name: pairs}
        self.answers = replace(self.answers, queue_pairs=told)

    def sees(self, check: Check) -> Result:
        node: NodeView = view_node(
            NodeSource(Host(self.root), self.answers), find_config(self.config)
        )
        (result,) = examine(node, [check])
        return result


@pytest.fixture
def node(fresh: Fresh) -> Node:
    """A pod with an InfiniBand HCA."""
    made = Node(fresh("dgx-h100").root)
    assert {port.link_layer for port in made.hca.ports} == {"InfiniBand"}
    return made


@pytest.fixture
def roce(fresh: Fresh) -> Node:
    """A pod of which all is well, on RoCE."""
    made = Node(fresh("sriov").root)
    made.gid("c0a8:0509")  # 192.168.5.9, of FIB_TRIE
    made.pairs(QueuePairs({MATE: 2}))
    return made


def only(result: Result, verdict: Verdict) -> str:
    assert result.verdict is verdict, result.findings
    (finding,) = result.findings
    return finding.evidence


@pytest.mark.parametrize("check", POD_CHECKS, ids=lambda check: check.id)
def test_a_pod_that_is_well_is_well(roce: Node, check: Check) -> None:
    assert roce.sees(check).verdict is Verdict.OK, roce.sees(check).findings


def test_the_limit_of_locked_memory_matters_without_ipc_lock(roce: Node) -> None:
    roce.file(f"{PID}/limits", LIMIT.format("8388608"))
    result = roce.sees(pods.memlock)
    assert only(result, Verdict.WARN) == "may lock 8192 KiB and has no IPC_LOCK"
    assert result.findings[0].subject == NAME
    assert any("IPC_LOCK" in step for step in result.remedy)
    roce.file(f"{PID}/status", STATUS.format(pid=PID, caps=IPC_LOCK, inner=1))
    assert roce.sees(pods.memlock).verdict is Verdict.OK


def test_ipc_lock_in_a_pods_own_user_namespace_does_not_count(roce: Node) -> None:
    roce.file(f"{PID}/limits", LIMIT.format("65536"))
    roce.file(f"{PID}/status", STATUS.format(pid=PID, caps=IPC_LOCK, inner=1))
    roce.link(PID, "user", "user:[2]")
    assert roce.sees(pods.memlock).verdict is Verdict.WARN


def test_a_pod_with_eth0_alone_has_no_secondary_network(roce: Node) -> None:
    roce.file(f"{PID}/net/dev", ONE)
    roce.gid("0a00:0001")
    assert "but has only eth0" in only(roce.sees(pod_networks.network), Verdict.WARN)
    roce.link(PID, "net", "net:[1]")
    assert roce.sees(pod_networks.network).verdict is Verdict.OK, "the node's own network"


def test_an_eth0_that_is_on_the_hca_needs_no_other(roce: Node) -> None:
    roce.file(f"{PID}/net/dev", ONE)
    roce.gid("0af4:0107")  # 10.244.1.7, the cluster's own address in FIB_TRIE
    assert roce.sees(pod_networks.network).verdict is Verdict.OK


def test_iwarp_has_no_gids_for_addresses(roce: Node) -> None:
    """Its one GID is a MAC address."""
    roce.file(f"{PID}/net/dev", ONE)
    roce.gid("0a00:0001")
    (roce.root / f"sys/class/infiniband/{roce.hca.name}/node_type").write_text("4: RNIC\n")
    assert roce.sees(pod_networks.gids).verdict is Verdict.OK
    assert roce.sees(pod_networks.network).verdict is Verdict.OK


def test_an_address_that_is_no_gid_is_a_warning(roce: Node) -> None:
    roce.gid("0a00:0001")
    evidence = only(roce.sees(pod_networks.gids), Verdict.WARN)
    assert "(10.244.1.7, 192.168.5.9) is a GID of" in evidence


def test_a_pod_without_queue_pairs_after_an_hour(roce: Node) -> None:
    roce.pairs(QueuePairs())
    evidence = only(roce.sees(pod_queue_pairs.queue_pairs), Verdict.WARN)
    assert evidence.endswith("after 60 minutes: it does not send, or sends over TCP")
    roce.started(PID, 2 * HOUR - 60)
    assert roce.sees(pod_queue_pairs.queue_pairs).verdict is Verdict.OK, "it has just begun"


def test_the_queue_pair_of_a_thread_is_its_containers(roce: Node) -> None:
    """A thread's id is not listed in /proc, but can be looked up."""
    roce.pairs(QueuePairs({4777: 1}))
    roce.file("4777/cgroup", f"0::/kubepods/pod{UID}/{ID}\n")
    assert roce.sees(pod_queue_pairs.queue_pairs).verdict is Verdict.OK


def test_queue_pairs_without_a_named_owner_make_it_unknown(roce: Node) -> None:
    roce.pairs(QueuePairs({}, nameless=2))
    assert "does not name" in only(roce.sees(pod_queue_pairs.queue_pairs), Verdict.UNKNOWN)


def test_an_hca_that_the_kernel_does_not_list_makes_it_unknown(roce: Node) -> None:
    roce.answers = replace(roce.answers, queue_pairs={})
    assert "lists none of" in only(roce.sees(pod_queue_pairs.queue_pairs), Verdict.UNKNOWN)
    roce.answers = replace(roce.answers, queue_pairs=None)
    assert "does not report the owners" in only(
        roce.sees(pod_queue_pairs.queue_pairs), Verdict.UNKNOWN
    )


def test_infiniband_needs_no_second_network(node: Node) -> None:
    node.file(f"{PID}/net/dev", ONE)
    assert node.sees(pod_networks.network).verdict is Verdict.OK
    assert node.sees(pod_networks.gids).verdict is Verdict.OK


@pytest.mark.parametrize("check", POD_CHECKS, ids=lambda check: check.id)
def test_a_holder_without_a_process_is_unknown(roce: Node, check: Check) -> None:
    for pid in (PID, MATE):
        roce.file(f"{pid}/cgroup", "0::/\n")
    evidence = only(roce.sees(check), Verdict.UNKNOWN)
    assert (
        "it has ended, or is just starting" if check is pods.seen else "no process of"
    ) in evidence


@pytest.mark.parametrize(
    ("cdi", "causes"),
    [
        ("off", []),
        ("annotations", ["enable_cdi"]),
        ("both", ["enable_cdi"]),
        ("cri", ["DevicePluginCDIDevices", "enable_cdi"]),
    ],
)
def test_a_holder_without_uverbs_nodes_is_a_warning(
    roce: Node, tmp_path: Path, cdi: str, causes: list[str]
) -> None:
    """With CDI, the runtime or an older kubelet may ignore the names."""
    roce.config = tmp_path / "config.yaml"
    roce.config.write_text(f"{ALL_MELLANOX.read_text()}\ncdi: {cdi}\n")
    assert roce.sees(pods.seen).verdict is Verdict.OK
    for file in (roce.root / f"proc/{PID}/root/dev/infiniband").iterdir():
        file.unlink()
    result = roce.sees(pods.seen)
    evidence = only(result, Verdict.WARN)
    assert "no uverbs node" in evidence
    assert [each for each in ("DevicePluginCDIDevices", "enable_cdi") if each in evidence] == causes
    assert ('set "cdi": "annotations"' in str(result.remedy)) == (cdi == "cri")


def test_the_remedy_inspects_the_node_from_a_pod_of_its_own(roce: Node) -> None:
    """Without a command that pod would start a second daemon; the node's files are below /host."""
    _no_host_pids(roce)
    remedy = roce.sees(pods.seen).remedy[0]
    assert remedy.endswith("-- rdma-dp doctor --kubelet-root-dir /host/var/lib/kubelet")


def _no_host_pids(node: Node) -> None:
    node.file("2/stat", STAT.format(pid=2, command="kthreadd", flags=0, started=0))


def _no_logs(node: Node) -> None:
    for file in (node.root / "proc/1/root/var/log/containers").iterdir():
        file.unlink()


def _no_book(node: Node) -> None:
    assert node.answers.kubelet
    view = replace(node.answers.kubelet, pod_resources=None, why_no_pod_resources="there is no X")
    node.answers = replace(node.answers, kubelet=view)


def _not_asked(node: Node) -> None:
    node.answers = Answers()


def _no_resource(node: Node) -> None:
    """No rdma-dp runs, and there is no config."""
    node.config = node.root / "none.json"


def _not_to_be_read(node: Node) -> None:
    """What an ordinary user meets: /proc/1/root is root's alone."""
    directory = node.root / "proc/1/root/var/log/containers"
    _no_logs(node)
    directory.rmdir()
    directory.symlink_to(directory.name)  # ELOOP: a failure that means "could not be read"


BLIND = {
    "hostPID": _no_host_pids,
    "/var/log/containers": _no_logs,
    "there is no X": _no_book,
    "see kubelet-socket": _not_asked,
    "the resources to search for": _no_resource,
    "cannot read": _not_to_be_read,
}


@pytest.mark.parametrize("why", BLIND)
@pytest.mark.parametrize("check", POD_CHECKS, ids=lambda check: check.id)
def test_what_cannot_be_inspected_is_unknown_and_not_guessed(
    roce: Node, check: Check, why: str
) -> None:
    blind: Callable[[Node], None] = BLIND[why]
    blind(roce)
    evidence = only(roce.sees(check), Verdict.UNKNOWN)
    assert (why if check is pods.seen else "see pod-processes") in evidence


@pytest.mark.parametrize("text", ["", "\0", "garbage (", "0::/kubepods/podx/y", "\udcff"])
@pytest.mark.parametrize("name", ["stat", "status", "limits", "cgroup", "net/dev", "net/fib_trie"])
def test_damaged_files_are_no_traceback(roce: Node, name: str, text: str) -> None:
    (roce.root / f"proc/{PID}/{name}").write_bytes(text.encode("utf-8", "surrogateescape"))
    for check in POD_CHECKS:
        roce.sees(check)
