"""deploy/ as it is shipped, applied as its docs say."""

from tests.node.cluster.cluster import DEPLOY, NAME, Cluster
from tests.node.cluster.pods import Pod


def test_the_base_and_the_test_pod(cluster: Cluster) -> None:
    cluster.kubectl("apply", "-k", DEPLOY / "base")
    cluster.counts(63, "the DaemonSet applied")
    cluster.kubectl("apply", "-f", DEPLOY / "test-pod.yaml")
    pod = Pod(cluster, "rdma-test").running()
    print(pod.log())
