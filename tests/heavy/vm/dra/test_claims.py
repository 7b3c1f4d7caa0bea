"""Data goes from pod to pod over the HCA of their claims, and over no other HCA."""

from collections.abc import Callable

from tests.heavy.dra.dra_cluster import DraCluster
from tests.heavy.vm.dra.verbs_pods import VerbsPod, claims_of, start
from tests.heavy.vm.inside.fabric import FABRIC_A, FABRIC_B
from tests.heavy.vm.inside.verbs import ping_pong
from tests.heavy.vm.node.expected import every_number, sees_exactly, sees_nothing
from tests.heavy.vm.node.shell import Shell

Record = Callable[[str, object], None]


def test_two_pairs_with_claims_and_a_pod_without(
    cluster: DraCluster, record_property: Record
) -> None:
    """Each pair shares one HCA."""
    pairs = {}
    for hca in (FABRIC_A, FABRIC_B):
        claim = claims_of(cluster, hca)
        pairs[hca] = [start(cluster, f"{hca.name}-{end}", claim) for end in ("server", "client")]
    outsider = start(cluster, "outsider", None)

    for hca, pair in pairs.items():
        for pod in pair:
            sees_exactly(pod.running(), hca)
            assert pod.sight().environment["RDMA_DP_HCA_HCAS"] == hca.name
        server, client = map(Shell, pair)
        said = ping_pong(server, client, hca)
        assert "20 iters in" in said
        record_property(f"ibv_rc_pingpong over {hca.name}", said.strip().replace("\n", "; "))
    cannot_use(pairs[FABRIC_A][0], FABRIC_B.name)
    cannot_use(pairs[FABRIC_B][0], FABRIC_A.name)
    sees_nothing(outsider.running(), every_number())


def cannot_use(pod: VerbsPod, hca: str) -> None:
    """An HCA of which the pod has no claim."""
    refused = Shell(pod).run("ibv_rc_pingpong", "--ib-dev", hca)
    assert refused.returncode != 0
    assert f"IB device {hca} not found" in refused.stderr
