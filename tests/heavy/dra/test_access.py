"""The token of the driver: what the policy and the roles allow, and what they refuse."""

from collections.abc import Mapping

import pytest

from tests.heavy.dra.dra_cluster import SLICES, DraCluster
from tests.heavy.dra.manifests import DRIVER
from tests.heavy.dra.tokens import ANOTHER_NODE, REFUSED, refused, token_of_the_driver
from tests.heavy.node import private
from tests.heavy.node.cluster import api

HERE = {"nodeName": private.NODE}


def a_slice(
    driver: str = DRIVER, where: Mapping[str, object] = HERE, pool_name: str = private.NODE
) -> api.Object:
    """A slice of a driver, of this node or of others."""
    pool = {"name": pool_name, "generation": 1, "resourceSliceCount": 1}
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceSlice",
        "metadata": {"name": "foreign"},
        "spec": {"driver": driver, "devices": [], "pool": pool, **where},
    }


@pytest.fixture
def token(cluster: DraCluster) -> str:
    return token_of_the_driver(cluster)


@pytest.mark.parametrize(
    "foreign",
    [
        a_slice(where={"nodeName": "other"}),
        a_slice(where={"allNodes": True}),
        a_slice(where={"nodeSelector": ANOTHER_NODE}),
        a_slice(where={"perDeviceNodeSelection": True}),
        a_slice("gpu.example.com"),
    ],
    ids=["another node", "all nodes", "selected nodes", "devices' nodes", "another driver"],
)
def test_foreign_slices_are_refused(cluster: DraCluster, token: str, foreign: api.Object) -> None:
    assert refused("POST", SLICES, token, foreign) in REFUSED
    # what another component has made
    made = api.post(SLICES, foreign)
    path = f"{SLICES}/{made['metadata']['name']}"
    try:
        made["metadata"]["labels"] = {"changed": "true"}
        assert refused("PUT", path, token, made) in REFUSED
        assert refused("DELETE", path, token) in REFUSED
    finally:
        api.delete(path)


def test_the_pool_of_another_node_is_refused(cluster: DraCluster, token: str) -> None:
    """Devices of one driver and one pool are the same devices, whichever slice names them."""
    assert refused("POST", SLICES, token, a_slice(pool_name="other")) in REFUSED


def test_its_own_slice_stays_that_of_its_node(cluster: DraCluster, token: str) -> None:
    """Also a change of a slice that it may write."""
    (own,) = cluster.slices()
    path = f"{SLICES}/{own['metadata']['name']}"
    for change in (
        {"pool": {**own["spec"]["pool"], "name": "other"}},
        {"nodeName": "other"},
        {"driver": "gpu.example.com"},
    ):
        assert refused("PUT", path, token, {**own, "spec": {**own["spec"], **change}}) in REFUSED
    assert refused("PATCH", path, token, {"metadata": {"labels": {"a": "b"}}}) == 403
    assert refused("DELETE", SLICES, token) == 403  # all of them at once


def test_a_token_without_a_node_writes_nothing(cluster: DraCluster) -> None:
    token = cluster.kubectl("-n", "kube-system", "create", "token", "rdma-dp").strip()
    assert refused("POST", SLICES, token, a_slice()) in REFUSED


def test_the_slice_of_its_node_is_accepted(cluster: DraCluster, token: str) -> None:
    """The driver removes it: it is not what the node offers."""
    api.request("POST", SLICES, a_slice(), token)
    cluster.wait("it is removed", lambda: api.get(f"{SLICES}/foreign") is None)


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/namespaces/kube-system/secrets",
        "/api/v1/pods",
        "/api/v1/nodes",
        "/apis/resource.k8s.io/v1/resourceclaims",
    ],
)
def test_what_it_may_not_list(cluster: DraCluster, token: str, path: str) -> None:
    assert refused("GET", path, token) == 403
