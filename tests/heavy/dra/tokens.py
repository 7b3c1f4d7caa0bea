"""Tokens as the driver's pods have them, and requests with them that must fail."""

import json
import urllib.error

import pytest

from tests.heavy.dra.dra_cluster import DraCluster
from tests.heavy.node.cluster import api

ANOTHER_NODE = {
    "nodeSelectorTerms": [
        {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["other"]}]}
    ]
}
REFUSED = (403, 422)  # by RBAC or the policy, or by what the API server knows of tokens


def token_of_the_driver(cluster: DraCluster) -> str:
    """It is bound to the pod, as kubelet asks for it."""
    name = cluster.drivers()[-1]["metadata"]["name"]
    bound = ("--bound-object-kind", "Pod", "--bound-object-name", name)
    return cluster.kubectl("-n", "kube-system", "create", "token", "rdma-dp", *bound).strip()


def refused(method: str, path: str, token: str, body: api.Object | None = None) -> int:
    """The status of a request that must fail."""
    with pytest.raises(urllib.error.HTTPError) as raised:
        api.request(method, path, body, token)
    assert json.load(raised.value)["kind"] == "Status"
    return raised.value.code
