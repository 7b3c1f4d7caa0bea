"""Who uses the HCAs: on made trees with a pod, a process of the host, and what may be missing."""

from dataclasses import replace

import pytest

from rdma_dp.config.loading import find_config
from rdma_dp.host.files import Host
from rdma_dp.host.netlink.values import QueuePairs
from rdma_dp.kubelet.views import Holder, PodResources
from rdma_dp.monitoring.usage import Usage, usage
from rdma_dp.node.source import NodeSource
from rdma_dp.node.view import view_node
from rdma_dp.render import console, pods
from tests.conftest import Fresh
from tests.unit.doctor.test_pods import PID, Node

HOST_PROCESS = 77


@pytest.fixture
def node(fresh: Fresh) -> Node:
    return Node(fresh("dgx-h100").root)


def seen(node: Node) -> Usage:
    source = NodeSource(Host(node.root), node.answers)
    view = view_node(source, find_config(node.config))
    pools = {pool.resource.full_name: pool for pool in view.pools}
    kubelet = node.answers.kubelet
    assert kubelet is not None
    listed = kubelet.pod_resources or kubelet.why_no_pod_resources or ""
    return usage(view.host, pools, listed, node.answers.queue_pairs)


def own(node: Node, pairs: dict[int, int]) -> None:
    node.pairs(QueuePairs(pairs))


def test_a_pod_with_its_slots_hcas_and_queue_pairs(node: Node) -> None:
    own(node, {PID: 3})
    found = seen(node)
    (pod,) = found.pods or ()
    assert (pod.namespace, pod.pod, pod.container) == ("default", "train-0", "main")
    assert node.hca.name in pod.hcas
    assert found.pairs_of(pod) == 3
    assert (found.foreign, found.missing) == ((), ())


def test_a_pod_without_queue_pairs_is_shown_apart(node: Node) -> None:
    found = seen(node)
    (pod,) = found.pods or ()
    assert found.pairs_of(pod) == 0
    assert "1 container holds slots but owns no queue pair" in console.plain(pods.table(found))


def test_queue_pairs_of_a_process_that_holds_no_slot(node: Node) -> None:
    node.file(f"{HOST_PROCESS}/cgroup", "0::/system.slice/perftest.service\n")
    own(node, {PID: 1, HOST_PROCESS: 8})
    (foreign,) = seen(node).foreign
    assert (foreign.hca, foreign.container, foreign.queue_pairs) == (node.hca.name, None, 8)
    text = console.plain(pods.table(seen(node)))
    assert "queue pairs of processes that hold no slot" in text
    assert pods.document(seen(node))["foreignQueuePairs"][0]["pids"] == [HOST_PROCESS]


def test_without_host_pids_it_says_what_is_missing(node: Node) -> None:
    node.file("2/stat", "")
    found = seen(node)
    assert found.pods
    assert found.queue_pairs is None
    assert "Needs hostPID" in found.missing[0]
    assert pods.document(found)["pods"][0]["queuePairs"] is None


def test_without_kubelets_list_nothing_is_guessed(node: Node) -> None:
    assert node.answers.kubelet is not None
    kubelet = replace(
        node.answers.kubelet, pod_resources=None, why_no_pod_resources="there is no /k/x"
    )
    node.answers = replace(node.answers, kubelet=kubelet)
    found = seen(node)
    assert found.pods is None
    document = pods.document(found)
    assert document["pods"] is None
    assert document["resources"][0]["inUse"] is None
    assert "in use: not known" in console.plain(pods.table(found))


def test_slots_of_an_hca_that_is_gone_and_of_other_resources(node: Node) -> None:
    holders = (
        Holder("a", "b", "c", "rdma/hca", ("0000:99:00.0-1",)),
        Holder("a", "b", "c", "nvidia.com/gpu", ("GPU-1",)),
    )
    assert node.answers.kubelet is not None
    kubelet = replace(node.answers.kubelet, pod_resources=PodResources({}, holders))
    node.answers = replace(node.answers, kubelet=kubelet)
    (pod,) = seen(node).pods or ()
    assert (pod.hcas, pod.unknown) == ((), ("0000:99:00.0-1",))


def test_without_the_names_of_containers_no_pod_is_called_foreign(node: Node) -> None:
    """A container without CAP_SYS_PTRACE cannot enter /proc/1/root."""
    own(node, {PID: 3})
    for log in (node.root / "proc/1/root/var/log/containers").iterdir():
        log.unlink()
    found = seen(node)
    assert (found.queue_pairs, found.foreign) == (None, ())
    assert "/var/log/containers" in found.missing[0]


def test_the_logs_of_the_nodes_containers_may_be_mounted(node: Node) -> None:
    own(node, {PID: 3})
    there = node.root / "proc/1/root/var/log/containers"
    here = node.root / "var/log/containers"
    here.parent.mkdir(parents=True)
    there.rename(here)
    (pod,) = seen(node).pods or ()
    assert seen(node).pairs_of(pod) == 3


def test_a_slot_that_an_ended_pod_still_has_counts_once(node: Node) -> None:
    """A kubelet before 1.34 lists pods that have ended, whose slots it may have given again."""
    resource = (seen(node).pods or ())[0].resource
    holders = tuple(Holder("a", pod, "c", resource, ("0",)) for pod in ("ended", "runs"))
    assert node.answers.kubelet is not None
    kubelet = replace(node.answers.kubelet, pod_resources=PodResources({}, holders))
    node.answers = replace(node.answers, kubelet=kubelet)
    assert pods.document(seen(node))["resources"][0]["inUse"] == 1


def test_queue_pairs_of_any_resource_count_for_a_container(node: Node) -> None:
    own(node, {PID: 3})
    found = seen(node)
    (pod,) = found.pods or ()
    idle = replace(pod, resource="rdma/b", hcas=())
    both = replace(
        found, pods=(pod, idle), pools={**found.pools, "rdma/b": found.pools[pod.resource]}
    )
    assert "owns no queue pair" not in console.plain(pods.table(both))
