"""`claimStatus`: facts of the HCAs in the status of claims, with the rights that are shipped."""

import time
from collections.abc import Iterator

import pytest
import yaml

from tests.heavy.dra import audit
from tests.heavy.dra.claim_pods import ClaimPod, named_claim, only, request, start, template
from tests.heavy.dra.dra_cluster import DraCluster
from tests.heavy.dra.manifests import DRIVER, config_of
from tests.heavy.dra.tokens import ANOTHER_NODE, REFUSED, refused, token_of_the_driver
from tests.heavy.node.cluster import api
from tests.heavy.node.cluster.cluster import DEPLOY
from tests.heavy.node.process import wait_until

_SLOTS = 62  # shows which config is in force
_RIGHTS = ("ClusterRole", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
_IN_DEFAULT = "/apis/resource.k8s.io/v1/namespaces/default/resourceclaims"


def allow(cluster: DraCluster, overlay: str) -> None:
    """Give the driver the rights of an overlay, within its policies."""
    rendered = yaml.safe_load_all(cluster.kubectl("kustomize", DEPLOY / "overlays" / overlay))
    cluster.make(*(each for each in rendered if each["kind"] in _RIGHTS))


def use(cluster: DraCluster, *, status: bool) -> None:
    """Wait until the config with or without claimStatus is in force."""
    config = config_of(claimStatus=status)
    if status:
        for entry in config["configList"]:
            entry["rdmaHcaMax"] = _SLOTS
    slots = str(config["configList"][0]["rdmaHcaMax"])
    cluster.offer(config, 9, "devices")
    cluster.wait(f"devices with {slots} slots", lambda: cluster.slots() == {slots})


@pytest.fixture(scope="module")
def _rights(_cluster: DraCluster) -> Iterator[None]:
    allow(_cluster, "dra-claim-status")
    use(_cluster, status=True)
    yield
    use(_cluster, status=False)
    allow(_cluster, "dra")


@pytest.fixture
def writing(_rights: None, cluster: DraCluster) -> DraCluster:
    """The driver writes the status of claims."""
    return cluster


def written(cluster: DraCluster) -> dict[str, api.Object]:
    """The entries in the status of the only claim, by request, when there is one for each result.

    Empty before.
    """
    (claim,) = cluster.claims()
    status = claim.get("status", {})
    results = status.get("allocation", {}).get("devices", {}).get("results", [])
    keys = ("driver", "pool", "device", "shareID")
    entries = {tuple(each[key] for key in keys): each for each in status.get("devices", [])}
    asked = {each["request"]: tuple(each[key] for key in keys) for each in results}
    return {name: entries[key] for name, key in asked.items()} if entries else {}


def patches(since: float) -> list[int]:
    """The codes of the answers to our writes of claims."""
    found = (each for each in audit.ours(since) if each.resource == "resourceclaims")
    return [each.code for each in found if each.verb != "get"]


def test_the_facts_of_each_device(writing: DraCluster) -> None:
    begun = time.time()
    asked = [
        request("hca", selectors=only("mlx5_4")),
        request("all", "rdma-shared-device-a"),
    ]
    pod = start(writing, "one", template(writing, "two", asked)).running()
    found = writing.wait("the status", lambda: written(writing))
    assert found.keys() == {"hca", "all"}
    for entry in found.values():
        (ready,) = entry["conditions"]
        assert (ready["type"], ready["status"]) == ("Ready", "True")
    (hca,) = found["hca"]["data"]["hcas"]
    attributes = writing.devices()[found["hca"]["device"]]["attributes"]
    assert hca["name"] == "mlx5_4"
    assert hca["pciAddress"] == attributes["resource.kubernetes.io/pciBusID"]["string"]
    assert hca["numaNode"] == attributes["numaNode"]["int"]
    assert hca["netdevs"] == [attributes["netdev"]["string"]]
    assert found["hca"]["networkData"]["interfaceName"] == attributes["netdev"]["string"]
    nodes = {path.rpartition("/")[2] for path in hca["devices"]}
    assert nodes | {"rdma_cm"} == {"uverbs4", "umad4", "issm4", "rdma_cm"} & writing.nodes
    listed = [each["name"] for each in found["all"]["data"]["hcas"]]
    assert listed == [f"mlx5_{number}" for number in range(12)]
    assert patches(begun) == [200]
    # Neither a driver that starts again nor its kubelet write it again.
    writing.kill()
    writing.settled()
    assert pod.identity
    assert written(writing) == found
    assert patches(begun) == [200]


def test_it_stays_for_as_long_as_the_claim_is_allocated(writing: DraCluster) -> None:
    """The API server removes it with the allocation. A new allocation gets a new one."""
    begun = time.time()
    pods = [ClaimPod(writing, name) for name in ("first", "second")]
    both = named_claim("both", request("hca", selectors=only("mlx5_5")))
    writing.make(both, *(pod.with_claim("both") for pod in pods))
    for pod in pods:
        pod.running()
    found = writing.wait("the status", lambda: written(writing))
    pods[0].delete()
    assert written(writing) == found
    pods[1].delete()
    wait_until(writing.claims, lambda claims: not claims[0]["status"].get("allocation"))
    assert not writing.claims()[0]["status"].get("devices")
    assert patches(begun) == [200]
    writing.make(pods[0].with_claim("both"))
    again = writing.wait("the new status", lambda: written(writing))
    assert again["hca"]["data"] == found["hca"]["data"]
    assert again["hca"]["shareID"] != found["hca"]["shareID"]
    assert patches(begun) == [200, 200]


def test_the_token_writes_nothing_else_of_a_claim(writing: DraCluster) -> None:
    """Other drivers' entries, the allocation, claims of other nodes, and the claim itself."""
    start(writing, "one", template(writing, "one", [request("hca")])).running()
    writing.wait("the status", lambda: written(writing))
    token = token_of_the_driver(writing)
    (claim,) = writing.claims()
    path = f"{_IN_DEFAULT}/{claim['metadata']['name']}"
    (entry,) = claim["status"]["devices"]
    foreign = {**entry, "driver": "gpu.example.com"}
    changes: list[tuple[str, api.Object]] = [
        (f"{path}/status", {"status": {"devices": [entry, foreign]}}),
        (f"{path}/status", {"status": {"allocation": None, "devices": None}}),
        (f"{path}/status", {"status": {"reservedFor": None}}),
        (path, {"metadata": {"labels": {"a": "b"}}}),
    ]
    assert {refused("PATCH", where, token, body) for where, body in changes} <= {*REFUSED}
    assert refused("DELETE", path, token) == 403
    assert refused("PATCH", elsewhere(entry), token, {"status": {"devices": [entry]}}) in REFUSED


def elsewhere(entry: api.Object) -> str:
    """A claim with a device of our driver on another node. Returns the path of its status."""
    made = api.post(_IN_DEFAULT, named_claim("elsewhere", request("hca")))
    result = {key: entry[key] for key in ("device", "shareID")} | {"pool": "other"}
    made["status"] = {
        "allocation": {
            "devices": {"results": [{"request": "hca", "driver": DRIVER, **result}]},
            "nodeSelector": ANOTHER_NODE,
        }
    }
    path = f"{_IN_DEFAULT}/elsewhere/status"
    api.request("PUT", path, made)
    return path


def test_without_the_right_pods_run_and_the_log_says_why(writing: DraCluster) -> None:
    allow(writing, "dra")
    try:
        pod = start(writing, "one", template(writing, "one", [request("hca")])).running()
        said = writing.says("its status is not written")
        assert f"claim default/{writing.claims()[0]['metadata']['name']}" in said
        assert pod.hcas() == {"mlx5_0"}
        assert not written(writing)
    finally:
        allow(writing, "dra-claim-status")
