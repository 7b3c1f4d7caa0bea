"""How long a slice takes, and how many requests the API server gets. No figure is asserted here."""

import time
from collections import Counter

from tests.heavy.dra import audit
from tests.heavy.dra.claim_pods import request, start_all, template
from tests.heavy.dra.dra_cluster import DraCluster

CREATE = ("create", "resourceslices")
_PODS = 10
_REST = 10.0  # seconds


def test_requests_for_pods_and_at_rest(cluster: DraCluster) -> None:
    source = template(cluster, "any", [request("hca")])
    begun = time.time()
    names = [f"pod-{number}" for number in range(_PODS)]
    for pod in start_all(cluster, names, source):
        pod.running()
    found = audit.ours(begun)
    assert {(each.verb, each.resource) for each in found} <= {
        ("get", "resourceclaims"),
        ("watch", "resourceslices"),
        ("list", "resourceslices"),
    }
    gets = [each for each in found if each.resource == "resourceclaims"]
    assert len(gets) == _PODS
    cluster.figures.append((f"requests for {_PODS} pods", len(found)))
    begun = time.time()
    time.sleep(_REST)
    rest = audit.ours(begun)
    assert not [each for each in rest if each.resource != "resourceslices"]
    cluster.figures.append((f"requests at rest in {_REST:.0f} s", len(rest)))


def test_the_first_slice(cluster: DraCluster) -> None:
    """A driver that starts where there is no slice, as on a new node."""
    cluster.place({"elsewhere": "true"})
    cluster.without_driver()
    cluster.delete_slices()
    begun = time.time()
    cluster.place({"elsewhere": None})
    cluster.wait("devices", cluster.devices)
    registered = cluster.wait("kubelet registers it", lambda: cluster.registered_at(begun)) or 0.0
    found = audit.ours(begun)
    (created,) = [each for each in found if (each.verb, each.resource) == CREATE]
    cluster.figures.append(("from its first request to the slice", created.at - found[0].at))
    cluster.figures.append(("from its registration to the slice", created.at - registered))
    for (verb, resource), count in Counter((each.verb, each.resource) for each in found).items():
        cluster.figures.append((f"requests at its start: {verb} {resource}", count))
