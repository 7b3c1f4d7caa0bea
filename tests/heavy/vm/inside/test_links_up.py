"""Links that are down are set up if the config asks for it, once, and otherwise never."""

import re
import shlex
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from tests.heavy.vm.inside import fabric
from tests.heavy.vm.inside.fabric import EXTRA_A, EXTRA_B
from tests.heavy.vm.inside.node import running_node

RESOURCE = {
    "resourceName": "extra",
    "rdmaHcaMax": 2,
    "selectors": {"ifNames": [EXTRA_A.netdev, "renamed0", EXTRA_B.netdev]},
    "health": {"downSeconds": 0},
}
FLAG = ("--set-links-up",)
WITHOUT_NET_ADMIN = ("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin")

TYPED = re.compile(r"`(ip link set \S+ up)`")


@pytest.fixture(autouse=True)
def netdevs_that_are_down() -> Iterator[None]:
    with fabric.netdevs(EXTRA_A, EXTRA_B, up=False):
        yield


@pytest.mark.parametrize(
    ("flags", "settings"),
    [(FLAG, {}), ((), {"setLinksUp": True})],
    ids=["by the flag", "by the config"],
)
async def test_links_are_set_up_at_start(flags: Sequence[str], settings: dict[str, Any]) -> None:
    fabric.plug(EXTRA_A)
    async with running_node(RESOURCE, flags=flags, **settings) as node:
        await node.daemon.says(f"set {EXTRA_A.netdev} of {EXTRA_A.name} up")
        await node.lists("rdma/extra", healthy=2)
        assert fabric.is_up(EXTRA_A.netdev)


async def test_a_link_is_set_up_when_it_appears_and_not_when_it_is_set_down() -> None:
    async with running_node(RESOURCE, flags=FLAG) as node:
        await node.lists("rdma/extra")
        fabric.plug(EXTRA_A)
        await node.lists("rdma/extra", healthy=2)

        fabric.set_down(EXTRA_A.netdev)
        await node.lists("rdma/extra", unhealthy=2)
        # A renamed netdev is not a new one, and the next scan finds nothing to do either.
        fabric.run("ip", "link", "set", EXTRA_A.netdev, "name", "renamed0")
        await node.daemon.says("renamed0 is administratively down")
        fabric.plug(EXTRA_B)
        await node.daemon.says(f"set {EXTRA_B.netdev} of {EXTRA_B.name} up")
        assert not fabric.is_up("renamed0")
        assert node.daemon.has_said("up: it was administratively down") == 2


async def test_without_net_admin_the_log_says_what_to_type() -> None:
    fabric.plug(EXTRA_A)
    async with running_node(RESOURCE, flags=FLAG, wrapper=WITHOUT_NET_ADMIN) as node:
        await node.lists("rdma/extra", unhealthy=2)
        line = await node.daemon.says(f"cannot set {EXTRA_A.netdev} of {EXTRA_A.name} up")
        assert "NET_ADMIN" in line

        type_what_is_said_in(line)
        await node.lists("rdma/extra", healthy=2)


async def test_the_config_can_forbid_what_the_flag_wants() -> None:
    fabric.plug(EXTRA_A)
    async with running_node(RESOURCE, flags=FLAG, setLinksUp=False) as node:
        await node.lists("rdma/extra", unhealthy=2)
        line = await node.daemon.says(f"{EXTRA_A.netdev} is administratively down")
        assert not fabric.is_up(EXTRA_A.netdev)

        type_what_is_said_in(line)
        await node.lists("rdma/extra", healthy=2)


def type_what_is_said_in(line: str) -> None:
    command = TYPED.search(line)
    assert command, line
    fabric.run(*shlex.split(command[1]))
