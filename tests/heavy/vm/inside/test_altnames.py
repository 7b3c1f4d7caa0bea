"""Alternative names of netdevs (`ip link property add dev X altname Y`), from netlink."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from rdma_dp.host.netlink.links import query_altnames
from tests.heavy.vm.inside import fabric
from tests.heavy.vm.inside.fabric import FABRIC_A, FABRIC_B, STORAGE
from tests.heavy.vm.inside.node import running_node
from tests.heavy.vm.inside.test_discover import discover, discovered

LONG = "a-name-that-is-much-longer-than-fifteen-characters"


@contextmanager
def altname(netdev: str, name: str) -> Iterator[None]:
    fabric.run("ip", "link", "property", "add", "dev", netdev, "altname", name)
    try:
        yield
    finally:
        fabric.run("ip", "link", "property", "del", "dev", netdev, "altname", name)


def test_an_hca_has_the_altnames_of_its_netdev_for_as_long_as_they_are_there() -> None:
    with altname(FABRIC_A.netdev, "rail0"), altname(FABRIC_A.netdev, LONG):
        shown = {hca["name"]: hca["altNames"] for hca in discover()["hcas"]}
    assert shown == {STORAGE.name: [], FABRIC_A.name: ["rail0", LONG], FABRIC_B.name: []}
    assert discovered(FABRIC_A.name)["altNames"] == []


def test_a_renamed_netdev_keeps_its_altnames() -> None:
    with altname(FABRIC_A.netdev, "rail0"):
        fabric.rename(FABRIC_A.netdev, "renamed0")
        try:
            hca = discovered(FABRIC_A.name)
        finally:
            fabric.rename("renamed0", FABRIC_A.netdev)
    assert (hca["netdevs"], hca["altNames"]) == (["renamed0"], ["rail0"])


def test_the_kernels_answers_are_those_that_iproute2_shows() -> None:
    with altname(FABRIC_A.netdev, "rail0"), altname(FABRIC_B.netdev, "rail1"):
        found = query_altnames([STORAGE.netdev, FABRIC_A.netdev, FABRIC_B.netdev, "gone0"])
        assert "altname rail0" in fabric.run("ip", "link", "show", FABRIC_A.netdev)
    assert found == {FABRIC_A.netdev: ("rail0",), FABRIC_B.netdev: ("rail1",)}


@pytest.mark.parametrize("name", ["rail0", "ens1f0np0-of-the-old-kernel"])
async def test_an_altname_that_comes_and_goes_changes_the_list_at_once(name: str) -> None:
    resource = {"resourceName": "rail", "rdmaHcaMax": 2, "selectors": {"ifNames": [name]}}
    async with running_node(resource) as node:
        await node.lists("rdma/rail")
        with altname(FABRIC_B.netdev, name):
            await node.lists("rdma/rail", healthy=2)
            await node.hands_out("rdma/rail", {fabric.RDMA_CM, *FABRIC_B.nodes})
        await node.lists("rdma/rail", unhealthy=2)
