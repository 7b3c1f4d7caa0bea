"""The token of the driver: what the policy and the roles allow, and what they refuse."""

import json
import urllib.error
from collections.abc import Mapping

import pytest

from tests.heavy.dra.dra_cluster import SLICES, DraCluster
from tests.heavy.dra.manifests import DRIVER
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
    """A token as the driver's pod has it."""
    name = cluster.drivers()[-1]["metadata"]["name"]
    bound = ("--bound-object-kind", "Pod", "--bound-object-name", name)
    return cluster.kubectl("-n", "kube-system", "create", "token", "rdma-dp", *bound).strip()


@pytest.mark.parametrize(
    "foreign",
    [
        a_slice(where={"nodeName": "other"}),
        a_slice(where={"allNodes": True}),
        a_slice("gpu.example.com"),
    ],
    ids=["another node", "all nodes", "another driver"],
)
def test_foreign_slices_are_refused(cluster: DraCluster, token: str, foreign: api.Object) -> None:
    assert refused("POST", SLICES, token, foreign) in (403, 422)
    # what another component has made
    made = api.post(SLICES, foreign)
    path = f"{SLICES}/{made['metadata']['name']}"
    try:
        made["metadata"]["labels"] = {"changed": "true"}
        assert refused("PUT", path, token, made) in (403, 422)
        assert refused("DELETE", path, token) in (403, 422)
    finally:
        api.delete(path)


def test_the_pool_of_another_node_is_refused(cluster: DraCluster, token: str) -> None:
    """Devices of one driver and one pool are the same devices, whichever slice names them."""
    assert refused("POST", SLICES, token, a_slice(pool_name="other")) in (403, 422)


def test_a_token_without_a_node_writes_nothing(cluster: DraCluster) -> None:
    token = cluster.kubectl("-n", "kube-system", "create", "token", "rdma-dp").strip()
    assert refused("POST", SLICES, token, a_slice()) in (403, 422)


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


def refused(method: str, path: str, token: str, body: api.Object | None = None) -> int:
    """The status of a request that must fail."""
    with pytest.raises(urllib.error.HTTPError) as raised:
        api.request(method, path, body, token)
    assert json.load(raised.value)["kind"] == "Status"
    return raised.value.code
