"""`rdma-dp discover` on a live kernel."""

import json
import os
import subprocess
from typing import Any

import pytest

from tests.heavy.vm.inside import fabric
from tests.heavy.vm.inside.daemon import DEADLINE, RDMA_DP
from tests.heavy.vm.inside.fabric import FABRIC_A, HCAS


def discover() -> Any:
    command = [RDMA_DP, "discover", "-o", "json"]
    return json.loads(subprocess.check_output(command, text=True, timeout=DEADLINE))


def discovered(name: str) -> Any:
    return next(hca for hca in discover()["hcas"] if hca["name"] == name)


@pytest.fixture(scope="module")
def shown() -> Any:
    """The output while there is no fault."""
    return discover()


def nodes_of(hca: Any) -> set[str]:
    return {f"/dev/infiniband/{name}" for name in (hca["uverbs"], *hca["umad"], *hca["issm"])}


def test_every_hca_is_there_to_share(shown: Any) -> None:
    assert [hca["name"] for hca in shown["hcas"]] == [hca.name for hca in HCAS]
    assert {hca["shareable"] for hca in shown["hcas"]} == {True}
    assert {hca["reason"] for hca in shown["hcas"]} == {None}


def test_every_hca_has_its_netdev_and_its_nodes(shown: Any) -> None:
    for hca, shown_hca in zip(HCAS, shown["hcas"], strict=True):
        assert shown_hca["netdevs"] == [hca.netdev]
        assert shown_hca["linkTypes"] == ["ether"]
        assert nodes_of(shown_hca) == hca.nodes


def test_every_port_is_active_and_has_its_netdev(shown: Any) -> None:
    for hca, shown_hca in zip(HCAS, shown["hcas"], strict=True):
        [port] = shown_hca["ports"]
        assert port["number"] == 1
        assert port["state"] == "ACTIVE"
        assert port["physState"] == "LinkUp"
        assert port["linkLayer"] == "Ethernet"
        assert port["netdevs"] == [hca.netdev]


def test_a_software_hca_has_no_pci_function(shown: Any) -> None:
    for hca in shown["hcas"]:
        for field in ("pciAddress", "subfunction", "vendor", "deviceID", "driver", "numaNode"):
            assert hca[field] is None, field


def test_the_system_is_in_shared_mode_with_rdma_cm_and_its_modules(shown: Any) -> None:
    system = shown["system"]

    assert system["netnsMode"] == "shared"
    assert system["rdmaCm"]
    for module in ("ib_core", "ib_uverbs", "ib_umad", "rdma_ucm"):
        assert system["modules"][module] is True, module


def test_exclusive_mode_is_shown() -> None:
    with fabric.exclusive_netns_mode():
        assert discover()["system"]["netnsMode"] == "exclusive"


def test_a_renamed_hca_keeps_its_nodes() -> None:
    nodes = FABRIC_A.nodes
    fabric.run("rdma", "dev", "set", FABRIC_A.name, "name", "rocep1s0")
    try:
        renamed = discovered("rocep1s0")
    finally:
        fabric.run("rdma", "dev", "set", "rocep1s0", "name", FABRIC_A.name)

    assert nodes_of(renamed) == nodes
    assert renamed["netdevs"] == [FABRIC_A.netdev]


def test_a_port_whose_link_goes_down_is_down() -> None:
    fabric.run("ip", "link", "set", FABRIC_A.netdev, "down")
    try:
        assert discovered(FABRIC_A.name)["ports"][0]["state"] == "DOWN"
    finally:
        fabric.run("ip", "link", "set", FABRIC_A.netdev, "up")


@pytest.mark.parametrize(
    ("number", "reason"),
    [(None, "missing"), (os.makedev(1, 3), "1:3"), (os.makedev(231, 200), "231:200")],
    ids=["no node", "another driver's number", "another device's number"],
)
def test_an_hca_is_not_shareable_while_its_uverbs_node_is_wrong(
    number: int | None, reason: str
) -> None:
    with fabric.node_replaced(FABRIC_A.uverbs, number):
        hca = discovered(FABRIC_A.name)

    assert hca["shareable"] is False
    assert FABRIC_A.uverbs in hca["reason"]
    assert reason in hca["reason"]
