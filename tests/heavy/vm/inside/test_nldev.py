"""RDMA netlink, compared with what iproute2 reads from it."""

import json

from rdma_dp.host.netlink import rdma_queries
from tests.heavy.vm.inside import fabric


def test_ports_have_the_netdevs_that_iproute2_shows() -> None:
    view = rdma_queries.query()
    assert view is not None
    ours = {
        (name, port): netdev
        for name, device in view.devices.items()
        for port, netdev in device.netdevs.items()
    }

    links = json.loads(fabric.run("rdma", "-j", "link"))
    assert ours == {(link["ifname"], link["port"]): link["netdev"] for link in links}
    assert len(ours) == len(fabric.HCAS)


def test_soft_roce_speaks_roce() -> None:
    view = rdma_queries.query()
    assert view is not None
    assert {device.protocol for device in view.devices.values()} == {"roce"}


def test_the_netns_mode_follows_the_administrator() -> None:
    with fabric.exclusive_netns_mode():
        exclusive = rdma_queries.query()
    shared = rdma_queries.query()

    assert exclusive is not None
    assert shared is not None
    assert (exclusive.netns_mode, shared.netns_mode) == ("exclusive", "shared")
