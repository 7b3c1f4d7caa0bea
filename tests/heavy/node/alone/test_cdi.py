"""containerd adds the device nodes of the CDI names that kubelet passes on."""

import pytest

from tests.heavy.node.alone.conftest import NodeOf
from tests.heavy.node.containerd import kill_container
from tests.heavy.node.expected import VARIABLE, hcas_of, nodes_of, numbers_of
from tests.heavy.node.features import CDI_FIELD, need
from tests.heavy.node.node import (
    ADDRESSES,
    IN_ANNOTATIONS,
    IN_THE_FIELD,
    NAME,
    NOT_CHOSEN,
    Node,
    Setting,
    with_cdi,
)
from tests.heavy.node.pods import DENIED
from tests.heavy.node.process import wait_until

MODES = {
    "flag": IN_THE_FIELD,
    "annotations": IN_ANNOTATIONS,
    "both": {"config": {"cdi": "both"}},
}


@pytest.fixture(params=MODES)
def node(node_of: NodeOf, way: str, per: str, request: pytest.FixtureRequest) -> Node:
    if request.param == "flag":
        need(request.node, CDI_FIELD)
    return node_of(Setting(way, per, **MODES[request.param]))


@pytest.mark.core(per="hca")
def test_a_pod_gets_its_nodes_and_can_open_no_others(node: Node, per: str) -> None:
    every = numbers_of(*ADDRESSES, *NOT_CHOSEN)
    pod = node.pod("one", others=every).running()
    sight = pod.sight()
    hcas = hcas_of(pod.slots(NAME), per)
    assert sight.nodes.keys() == sight.usable == nodes_of(*hcas)
    assert sight.environment[VARIABLE] == ",".join(f"mlx5_{hca}" for hca in hcas)
    denied = {number for number, said in sight.others.items() if said == DENIED}
    assert denied == every - numbers_of(*hcas)


def test_a_container_waits_for_its_hca_by_name_and_goes_on_with_it(
    node_of: NodeOf, way: str
) -> None:
    node = node_of(Setting(way, "hca", **with_cdi()))
    pod = node.pod("one").running()
    container, allocation = pod.identity
    (slot,) = pod.slots(NAME)
    (hca,) = hcas_of(frozenset({slot}), "hca")
    node.host.unplug(f"mlx5_{hca}")
    node.look_again()
    node.counts(7 * 63, "one of eight HCAs unplugged")
    kill_container(container)
    why = pod.waits("CreateContainerError")
    assert f"unresolvable CDI devices rdma-dp/rdma_rdma_shared_device_a={ADDRESSES[hca]}" in why
    node.host.plug(f"mlx5_{hca}")
    node.look_again()
    node.counts_all("the HCA plugged in again")
    wait_until(pod.container, lambda now: now != container)
    assert pod.allocation == allocation
    assert pod.sight().usable == nodes_of(hca)


def test_pods_outlive_restarts_of_kubelet_and_the_plugin(node_of: NodeOf, way: str) -> None:
    node = node_of(Setting(way, "hca", **with_cdi()))
    pod = node.pod("runs").running()
    before = pod.identity
    node.kubelet.restart()
    node.counts_all("kubelet restarted")
    node.plugin.end()
    node.counts(0, "the plugin ended")
    node.start_plugin()
    node.counts_all("the plugin started")
    assert pod.identity == before
    node.pod("new").running()
