"""The codes in the JSON outputs, beside each text of a verdict."""

from typing import Any

from rdma_dp.config.loading import find_config
from rdma_dp.doctor.catalogue import chosen
from rdma_dp.doctor.examination import examine
from rdma_dp.inventory.hardware import Inventory, Port
from rdma_dp.inventory.topology import Topology
from rdma_dp.node.source import open_source
from rdma_dp.node.view import view_node
from rdma_dp.render import doctor, json_documents
from rdma_dp.render.topology.pcie_tree import View
from rdma_dp.sharing.pool import Pool, make_pool
from rdma_dp.sharing.selection import select
from tests.conftest import Look, Sample
from tests.makers import SYSTEM, hca, pool, resource
from tests.paths import CONFIGS


def dry_run(inventory: Inventory, found: Pool) -> Any:
    (document,) = json_documents.dry_run(inventory, [found], [])["resources"]
    return document


def test_an_hca_that_cannot_be_shared_has_the_code_of_the_reason(look: Look) -> None:
    hcas = json_documents.discover(look("exclusive-netns"))["hcas"]
    assert [each["code"] for each in hcas] == ["netns-exclusive"] * 2
    assert all("exclusive network-namespace mode" in each["reason"] for each in hcas)


def test_the_topology_has_the_same_code(look: Look) -> None:
    hcas = json_documents.topo(View(Topology(), look("exclusive-netns")))["hcas"]
    assert [(each["shareable"], each["code"]) for each in hcas] == [(False, "netns-exclusive")] * 2


def test_an_hca_that_can_be_shared_has_none(look: Look) -> None:
    inventory = look("seed")
    hcas = json_documents.discover(inventory)["hcas"]
    hcas += json_documents.topo(View(Topology(), inventory))["hcas"]
    assert [each["code"] for each in hcas] == [None] * 4


def test_a_function_without_an_hca_has_a_code(look: Look) -> None:
    others = json_documents.discover(look("sriov"))["others"]
    found = {each["pciAddress"]: each["code"] for each in others}
    assert found["0000:5e:00.4"] == "passed-through"
    assert found["0000:5e:00.5"] == "no-driver"


def test_a_rejected_hca_has_a_code_for_each_reason(look: Look) -> None:
    inventory = look("exclusive-netns")
    wanted = resource(ifNames=["no"], exclude={"vendors": ["15b3"]})
    found = make_pool(select(inventory, wanted), inventory.system)
    for each in dry_run(inventory, found)["rejected"]:
        assert each["codes"] == ["netns-exclusive", "selector", "excluded"]
        assert len(each["reasons"]) == len(each["codes"])


def test_slots_that_are_unhealthy_have_a_code() -> None:
    down, up = hca(ports=(Port(1, "DOWN"),)), hca()
    (share,) = dry_run(Inventory((down,), (), SYSTEM), pool(down))["shares"]
    assert (share["healthy"], share["code"]) == (0, "no-active-port")
    assert share["reason"].startswith("no ACTIVE port")
    (share,) = dry_run(Inventory((up,), (), SYSTEM), pool(up))["shares"]
    assert (share["reason"], share["code"]) == (None, None)


def findings(sample: Sample, name: str, check: str) -> list[Any]:
    node = view_node(open_source(sample(name)), find_config(CONFIGS / "all-mellanox.yaml"))
    (found,) = doctor.document(examine(node, chosen([check])))["checks"]
    return [(each["verdict"], each["code"]) for each in found["findings"]]


def test_a_finding_has_the_code_of_the_verdict_that_it_quotes(sample: Sample) -> None:
    assert findings(sample, "exclusive-netns", "hca-netns") == [("fail", "netns-exclusive")]
    assert findings(sample, "exclusive-netns", "config-resources") == [("fail", "netns-exclusive")]
    assert findings(sample, "no-modules", "hca-modules") == [("fail", "module-not-loaded")]
    assert findings(sample, "no-uverbs", "hca-nodes") == [("fail", "uverbs-not-loaded")] * 2


def test_a_finding_without_a_verdict_has_no_code(sample: Sample) -> None:
    assert findings(sample, "no-umad", "hca-modules") == [("warn", None)]
