"""Soft-iWARP beside Soft-RoCE: HCAs of both families on one node.

Debian's kernels have no siw. `make test-vm KERNEL=13` builds the module for amd64.
"""

import json
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.heavy.vm.inside import fabric
from tests.heavy.vm.inside.container import Container
from tests.heavy.vm.inside.daemon import DEADLINE, RDMA_DP
from tests.heavy.vm.inside.fabric import FABRIC_A, HCAS, RDMA_CM, SoftHca
from tests.heavy.vm.inside.node import Node, host_paths, running_node

IWARP = SoftHca("siw0", "iwarp0", "10.0.5.1")

OF_IWARP = {"resourceName": "iwarp", "rdmaHcaMax": 2, "selectors": {"rdmaDevices": ["siw*"]}}
OF_ROCE = {"resourceName": "roce", "rdmaHcaMax": 2, "selectors": {"ifNames": [FABRIC_A.netdev]}}
OF_BOTH = {"resourceName": "both", "rdmaHcaMax": 2, "selectors": {"linkTypes": ["ether"]}}

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(
        not Path("/run/modules/siw.ko").exists(),
        reason="no siw: KERNEL=13 on amd64 without CORE=1 has it",
    ),
]


@pytest.fixture(scope="module")
def iwarp() -> Iterator[SoftHca]:
    fabric.load("siw")
    with fabric.netdevs(IWARP):
        fabric.give_address(IWARP)
        fabric.run("rdma", "link", "add", IWARP.name, "type", "siw", "netdev", IWARP.netdev)
        yield IWARP
    fabric.unload("siw")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(iwarp: SoftHca) -> AsyncIterator[Node]:
    async with running_node(OF_IWARP, OF_ROCE, OF_BOTH) as node:
        for name in ("iwarp", "roce", "both"):
            await node.lists(f"rdma/{name}", healthy=2)
        yield node


def printed(*words: str) -> str:
    done = subprocess.run(
        [RDMA_DP, *words], capture_output=True, text=True, check=False, timeout=2 * DEADLINE
    )
    assert done.stderr == ""
    return done.stdout


async def test_discover_says_the_family_of_each(iwarp: SoftHca) -> None:
    shown = {hca["name"]: hca for hca in json.loads(printed("discover", "-o", "json"))["hcas"]}
    assert {name: hca["protocol"] for name, hca in shown.items()} == {
        **{hca.name: "roce" for hca in HCAS},
        iwarp.name: "iw",
    }
    assert shown[iwarp.name]["shareable"] is True
    assert shown[iwarp.name]["netdevs"] == [iwarp.netdev]
    assert (shown[iwarp.name]["umad"], shown[iwarp.name]["issm"]) == ([], [])
    assert "ACTIVE iWARP" in printed("discover")


async def test_the_doctor_finds_no_fault_of_an_iwarp_hca(iwarp: SoftHca) -> None:
    checks: list[dict[str, Any]] = json.loads(printed("doctor", "-o", "json"))["checks"]
    findings = [finding for check in checks for finding in check["findings"]]
    about = [each for each in findings if each["subject"] == iwarp.name]
    assert [each for each in about if each["verdict"] in ("warn", "fail")] == []


async def test_each_family_is_handed_out_by_its_selectors(node: Node, iwarp: SoftHca) -> None:
    roce = FABRIC_A.nodes
    await node.hands_out("rdma/iwarp", {iwarp.uverbs, RDMA_CM})
    await node.hands_out("rdma/roce", {*roce, RDMA_CM})
    every = {iwarp.uverbs, *(each for hca in HCAS for each in hca.nodes), RDMA_CM}
    await node.hands_out("rdma/both", every)


async def test_the_log_says_that_both_in_a_resource_cannot_reach_each_other(node: Node) -> None:
    assert node.daemon.has_said("iWARP and RoCE ports cannot reach each other")


async def test_a_container_opens_the_iwarp_hca(node: Node, iwarp: SoftHca) -> None:
    allocation = await node.kubelet.allocate("rdma/iwarp")
    shown = Container(host_paths(allocation)).run("ibv_devinfo", "-d", iwarp.name)
    node.kubelet.release(allocation)
    assert "iWARP (1)" in shown.stdout, shown.stdout + shown.stderr


async def test_an_iwarp_port_that_goes_down_is_unhealthy(node: Node, iwarp: SoftHca) -> None:
    fabric.set_down(iwarp.netdev)
    await node.daemon.says(f"{iwarp.netdev} is administratively down")
    fabric.set_up(iwarp.netdev)
    await node.lists("rdma/iwarp", healthy=2)
