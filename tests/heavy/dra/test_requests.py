"""What a claim can ask for, with real pods: each sees the HCAs that it should, and no others."""

from collections.abc import Iterable, Iterator
from functools import partial

import pytest

from tests.heavy.dra.claim_pods import (
    ClaimPod,
    Object,
    events,
    nodes_of,
    of_hcas,
    one_of,
    only,
    opaque,
    ours,
    parameters,
    request,
    start,
    template,
    where,
)
from tests.heavy.dra.dra_cluster import DraCluster
from tests.heavy.dra.manifests import DRIVER, device_class

WRONG: dict[str, tuple[Object, tuple[str, ...]]] = {
    "value": (parameters(NCCL_IB_HCA="hca"), ("NCCL_IB_HCA", "did you mean hcas?")),
    "variable": (parameters(**{"A B": "hcas"}), ("'A B'",)),
    "kind": (opaque(kind="Hca"), ("kind is 'Hca'", "write HcaConfig")),
    "version": (opaque(apiVersion="v2"), ("apiVersion is 'v2'", f"write {DRIVER}/v1")),
    "field": (opaque(envs={}), ("unknown field 'envs'", "did you mean env?")),
    "list": (opaque(env=["A"]), ("env is ['A']",)),
    "several": (opaque(kind="A", env={"B": "C"}), ("kind is 'A'", "env.'B' is 'C'")),
}

PAIR = {"first": "mlx5_3", "second": "mlx5_9"}

# The HCAs that are devices of their own.
SINGLE = tuple(f"mlx5_{number}" for number in (0, 3, 4, 5, 6, 9, 10, 11))
FULL = "mlx5_4"
BUS_ID = "resource.kubernetes.io/pciBusID"


@pytest.fixture
def administrator(cluster: DraCluster) -> Iterator[None]:
    """The namespace `default` allows admin access."""
    label = "resource.kubernetes.io/admin-access"
    cluster.kubectl("label", "namespace", "default", f"{label}=true")
    yield
    cluster.kubectl("label", "namespace", "default", f"{label}-")


@pytest.mark.usefixtures("administrator")
def test_admin_access_has_all_hcas_and_takes_no_slot(cluster: DraCluster) -> None:
    """Pods get all 63 slots of an HCA beside it. With all of them in use, it has the other HCAs:
    the scheduler leaves the HCA out.
    """
    most = request("hca", selectors=only(FULL), capacity={"requests": {"slots": "62"}})
    sources = {
        "most": template(cluster, "most", [most]),
        "last": template(cluster, "last", [request("hca", selectors=only(FULL))]),
        "admin": template(
            cluster, "admin", [request("hca", allocationMode="All", adminAccess=True)]
        ),
    }
    first = start(cluster, "first", sources["most"]).running()
    watcher = start(cluster, "watcher", sources["admin"]).running()
    last = start(cluster, "last", sources["last"]).running()
    assert first.given() == last.given() == of_hcas(cluster, FULL)
    assert watcher.given() == of_hcas(cluster, *SINGLE)
    late = start(cluster, "late", sources["admin"]).running()
    assert late.given() == of_hcas(cluster, *(hca for hca in SINGLE if hca != FULL))
    before = first.identity, last.identity
    watcher.delete()
    assert (first.identity, last.identity) == before
    assert len(cluster.prepared()) == len(cluster.specs()) == 3


def test_all_and_a_count(cluster: DraCluster) -> None:
    asked = {
        "all": request("hca", allocationMode="All"),
        "half": request("hca", allocationMode="All", selectors=where("numaNode == 1")),
        "three": request("hca", count=3),
    }
    pods = {name: start(cluster, name, template(cluster, name, [asked[name]])) for name in asked}
    assert pods["all"].running().given() == of_hcas(cluster, *SINGLE)
    assert pods["half"].running().given() == of_hcas(cluster, *SINGLE[4:])
    assert pods["three"].running().given() == of_hcas(cluster, *SINGLE[:3])


def test_the_first_of_a_list_that_fits(cluster: DraCluster) -> None:
    """The variables have the name of the request, and parameters may be for one subrequest."""
    listed = one_of(
        "hca",
        request("gone", selectors=only("mlx5_99")),
        request("there", selectors=only("mlx5_6")),
    )
    config = [
        {"requests": ["hca/gone"], **parameters(NCCL_IB_HCA="ports")},
        {"requests": ["hca/there"], **parameters(UCX_NET_DEVICES="ports")},
    ]
    pod = start(cluster, "listed", template(cluster, "listed", [listed], config=config))
    assert pod.running().given() == of_hcas(cluster, "mlx5_6", UCX_NET_DEVICES="mlx5_6:1")
    health = cluster.wait("its health is in its status", pod.health)
    assert [("mlx5_6" in name, state) for name, (state, _) in health.items()] == [(True, "Healthy")]


def test_each_container_has_the_requests_that_it_names(cluster: DraCluster) -> None:
    """A variable that the requests share has the HCAs of the whole claim."""
    source = template(cluster, "pair", [request(each, selectors=only(PAIR[each])) for each in PAIR])
    pod = ClaimPod(cluster, "both")
    cluster.make(pod.with_containers(source, {"main": None, **{each: each for each in PAIR}}))
    pod.running()
    shared = {"RDMA_DP_HCA_HCAS": "mlx5_3,mlx5_9", "NCCL_IB_HCA": "=mlx5_3,mlx5_9"}
    own = {each: {f"RDMA_DP_{each.upper()}_HCAS": hca} for each, hca in PAIR.items()}
    assert pod.given() == (
        nodes_of(cluster, *PAIR.values()),
        shared | own["first"] | own["second"],
    )
    for each, hca in PAIR.items():
        assert pod.given(each) == (nodes_of(cluster, hca), shared | own[each])


def test_two_requests_for_the_same_hca(cluster: DraCluster) -> None:
    """They get it twice, unless the claim forbids it."""
    asked = [request(name) for name in PAIR]
    same = start(cluster, "same", template(cluster, "same", asked))
    distinct = [{"requests": [*PAIR], "distinctAttribute": BUS_ID}]
    other = start(cluster, "other", template(cluster, "other", asked, constraints=distinct))
    nodes, variables = same.running().given()
    assert nodes == nodes_of(cluster, SINGLE[0])
    assert variables["RDMA_DP_FIRST_HCAS"] == variables["RDMA_DP_SECOND_HCAS"] == SINGLE[0]
    assert variables["RDMA_DP_HCA_HCAS"] == SINGLE[0]
    nodes, variables = other.running().given()
    assert nodes == nodes_of(cluster, *SINGLE[:2])
    assert variables["RDMA_DP_HCA_HCAS"] == ",".join(SINGLE[:2])
    assert variables["RDMA_DP_FIRST_HCAS"] != variables["RDMA_DP_SECOND_HCAS"]


def test_parameters_of_a_class_and_of_a_claim(cluster: DraCluster) -> None:
    """What the claim says counts over the class."""
    config = [parameters(UCX_NET_DEVICES="ports", NCCL_IB_HCA="ports")]
    cluster.make(device_class("with-parameters", ours("kind == 'hca'"), config=config))
    try:
        asked = [request("hca", "with-parameters", selectors=only("mlx5_10"))]
        own = [parameters(NCCL_IB_HCA="hcas", UCX_MORE="ports")]
        sources = {"by-class": [], "by-both": own}
        pods = {
            name: start(cluster, name, template(cluster, name, asked, config=config))
            for name, config in sources.items()
        }
        ports = {"UCX_NET_DEVICES": "mlx5_10:1"}
        expected = of_hcas(cluster, "mlx5_10", **ports, NCCL_IB_HCA="mlx5_10:1")
        assert pods["by-class"].running().given() == expected
        expected = of_hcas(cluster, "mlx5_10", **ports, UCX_MORE="mlx5_10:1")
        assert pods["by-both"].running().given() == expected
    finally:
        cluster.kubectl("delete", "deviceclass", "with-parameters")


def test_wrong_parameters_are_in_the_events_of_the_pod(cluster: DraCluster) -> None:
    """Each event says what is wrong, where, and what to write."""
    for name, (config, _) in WRONG.items():
        start(cluster, name, template(cluster, name, [request("hca")], config=[config]))
    for name, (_, said) in WRONG.items():
        expected = partial(has_all, ("parameters of the claim: ", *said))
        cluster.wait(f"the event: {name}", partial(events, cluster, name), expected)


def has_all(parts: Iterable[str], text: str) -> bool:
    return all(part in text for part in parts)
