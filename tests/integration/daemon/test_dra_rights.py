"""The daemon needs each right of the ClusterRole in deploy/ but the doctor's, and no other."""

import pytest

from simulator.api_server import FakeApiServer
from simulator.kubelet import SimulatedKubelet
from tests.integration.daemon.claiming import Cluster
from tests.integration.daemon.process import Node, entry, healthy
from tests.unit.api_server.rights import DOCTORS, claim_status_rules, rights, role


@pytest.mark.parametrize("claim_status", [False, True], ids=["plain", "claim status"])
async def test_a_life_with_claims_uses_each_right_of_the_role(
    *, claim_status: bool, node: Node, kubelet: SimulatedKubelet, api: FakeApiServer
) -> None:
    cluster = Cluster(node, kubelet, api)
    status = rights(claim_status_rules()[:1]) if claim_status else frozenset()
    node.configure(entry("hca", via="dra", slotsPer="hca"), dra={"claimStatus": claim_status})
    async with node.daemon():
        await cluster.registered()
        first, _ = await cluster.devices()
        await cluster.start("pod", cluster.claim(first))
        await api.until(lambda: status <= {(each.verb, each.resource) for each in api.answered})
        await kubelet.pods.end_pod("pod")
        node.host.unplug("mlx5_1")
        await cluster.devices(1)
        node.configure(entry("hca", slotsPer="hca"))
        await kubelet.wait_for("rdma/hca", healthy(4))
        await api.until(lambda: not api.slices())
    assert {(each.verb, each.resource) for each in api.answered} == role() - DOCTORS | status
