"""Counters of Soft-RoCE HCAs: by netlink, in /sys, and in the metrics of the daemon."""

import asyncio
import json
from pathlib import Path

import pytest

from rdma_dp.host.netlink.hw_counters import HwCounters
from rdma_dp.host.netlink.rdma_queries import query_objects
from rdma_dp.inventory.port_counters import RawCounters, interpreted
from tests.heavy.vm.inside import fabric
from tests.heavy.vm.inside.fabric import FABRIC_A, FABRIC_B, HCAS, SoftHca
from tests.heavy.vm.inside.node import running_node
from tests.heavy.vm.inside.verbs import Here, ping_pong
from tests.integration.daemon.scraping import LOOPBACK, free_port, scrape, shows

RESOURCE = {"resourceName": "a", "rdmaHcaMax": 2, "selectors": {"ifNames": [FABRIC_A.netdev]}}


def by_netlink(hca: SoftHca) -> dict[str, int | None]:
    with HwCounters(live=True).asking() as ask:
        found = ask(hca.name, 1)
    assert found is not None
    return dict(found)


def in_sys(hca: SoftHca) -> dict[str, int]:
    directory = Path("/sys/class/infiniband", hca.name, "ports/1/hw_counters")
    return {path.name: int(path.read_text()) for path in directory.iterdir()}


def test_netlink_has_the_counters_of_sys_and_of_iproute2() -> None:
    for hca in HCAS:
        files = in_sys(hca)
        del files["lifespan"]
        assert by_netlink(hca) == files
    shown = json.loads(fabric.run("rdma", "-j", "statistic", "show"))
    ours = {hca.name: set(by_netlink(hca)) for hca in HCAS}
    assert ours == {each["ifname"]: set(each) - {"ifname", "port"} for each in shown}


def test_netlink_has_the_objects_of_iproute2() -> None:
    shown = json.loads(fabric.run("rdma", "-j", "resource", "show"))
    numbers = {each["ifname"]: each.items() - {("ifindex", each["ifindex"])} for each in shown}
    found = query_objects()
    assert found is not None
    for hca in HCAS:
        assert found[hca.name]["qp"] >= 1  # the kernel's own, for management datagrams
        assert found[hca.name].items() == numbers[hca.name] - {("ifname", hca.name)}


def test_an_unknown_hca_and_port_have_no_answer() -> None:
    with HwCounters(live=True).asking() as ask:
        assert ask("gone0", 1) is None
        assert ask(FABRIC_A.name, 9) is None
        assert ask(FABRIC_A.name, 1) is not None


def test_traffic_is_counted() -> None:
    before = interpreted(RawCounters({}, by_netlink(FABRIC_A))).values
    ping_pong(Here(), Here(), FABRIC_A)
    after = interpreted(RawCounters({}, by_netlink(FABRIC_A))).values
    assert after["transmit_packets"] >= before["transmit_packets"] + 40
    assert after["receive_packets"] >= before["receive_packets"] + 40
    assert after["link_downed"] == before["link_downed"]


@pytest.mark.asyncio
async def test_the_daemon_shows_them_for_the_shared_hca_alone() -> None:
    port = free_port()
    async with running_node(RESOURCE, flags=("--metrics", f"{LOOPBACK}:{port}")) as node:
        await node.lists("rdma/a", healthy=2)
        labels = {"device": FABRIC_A.name, "port": "1"}
        await shows(port, "hca_read_errors_total", 0, device=FABRIC_A.name)
        samples = await scrape(port)
        sent = (await asyncio.to_thread(by_netlink, FABRIC_A))["sent_pkts"]
        assert samples.get("port_transmit_packets_total", **labels) == sent
        assert samples.labels("port_transmit_data_bytes_total") == []  # Soft-RoCE counts none
        shown = [each["device"] for each in samples.labels("port_transmit_packets_total")]
        assert shown == [FABRIC_A.name]
        assert FABRIC_B.name not in shown
        assert (samples.get("hca_objects", device=FABRIC_A.name, type="qp") or 0) >= 1
