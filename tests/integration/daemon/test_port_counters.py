"""The counters of ports in the metrics of a daemon, as they and the config change."""

import json
from pathlib import Path
from typing import Any

import pytest

from simulator.kubelet import SimulatedKubelet
from tests.integration.daemon.process import NAME, Node, entry, healthy, python
from tests.integration.daemon.scraping import LOOPBACK, Samples, free_port, get, scrape, shows

PORT = {"device": "mlx5_0", "port": "1"}

COUNTERS: dict[str, object] = {
    "counters/port_xmit_data": 1000,
    "counters/port_rcv_data": 2000,
    "counters/port_xmit_packets": 10,
    "counters/symbol_error": 65535,
    "counters/link_downed": "N/A (no PMA)",
    "counters/port_rcv_errors": "odd",
    "hw_counters/out_of_sequence": 3,
    "hw_counters/rx_read_requests": 5,
    "hw_counters/lifespan": 10,
}


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def counting(node: Node) -> Node:
    for hca in node.hcas:
        node.host.set_counters(hca, 1, COUNTERS)
    configure(node)
    return node


def configure(node: Node, *entries: dict[str, Any], **metrics: object) -> None:
    node.configure(*entries, metrics={"minInterval": 1, **metrics})


def metrics(port: int) -> tuple[str, str]:
    return "--metrics", f"{LOOPBACK}:{port}"


async def test_counters_have_the_names_of_all_drivers(
    counting: Node, kubelet: SimulatedKubelet, port: int
) -> None:
    async with counting.daemon(*metrics(port)):
        await kubelet.wait_for(NAME, healthy(4))
        samples = await shows(port, "port_transmit_data_bytes_total", 4000, **PORT)
        assert samples.get("port_receive_data_bytes_total", **PORT) == 8000
        assert samples.get("port_transmit_packets_total", **PORT) == 10
        assert samples.get("port_out_of_sequence_total", **PORT) == 3
        assert samples.get("port_symbol_errors_total", **PORT) == 65535
        assert samples.get("port_counter_saturated", **PORT, counter="symbol_errors") == 1
        for absent in (
            "port_link_downed_total",
            "port_receive_errors_total",
            "port_rnr_naks_total",
        ):
            assert samples.labels(absent) == []
        assert samples.labels("port_hw_counter_total") == []
        assert (samples.get("hca_read_errors_total", device="mlx5_0") or 0) >= 1
        assert samples.get("counters_age_seconds", device="mlx5_0") is not None
        (info,) = (each for each in samples.labels("hca_info") if each["device"] == "mlx5_0")
        assert (info["model"], info["firmware"]) == ("MT4129", "28.41.1000")


async def test_counters_that_change_are_seen(
    counting: Node, kubelet: SimulatedKubelet, port: int
) -> None:
    async with counting.daemon(*metrics(port)):
        await kubelet.wait_for(NAME, healthy(4))
        await shows(port, "port_out_of_sequence_total", 3, **PORT)
        counting.host.set_counters("mlx5_0", 1, {"hw_counters/out_of_sequence": 4})
        await shows(port, "port_out_of_sequence_total", 4, **PORT)
        counting.host.set_counters("mlx5_0", 1, {"hw_counters/out_of_sequence": None})
        samples = await scrape(port)
        while samples.get("port_out_of_sequence_total", **PORT) is not None:
            samples = await scrape(port)
        assert samples.get("port_transmit_packets_total", **PORT) == 10


async def test_the_config_decides_without_a_restart(
    counting: Node, kubelet: SimulatedKubelet, port: int
) -> None:
    async with counting.daemon(*metrics(port)):
        await kubelet.wait_for(NAME, healthy(4))
        await shows(port, "port_transmit_packets_total", 10, **PORT)
        configure(counting, counters="all")
        own = {**PORT, "counter": "rx_read_requests"}
        await shows(port, "port_hw_counter_total", 5, **own)
        configure(counting, counters="none")
        samples = await scrape(port)
        while samples.labels("port_transmit_packets_total"):
            samples = await scrape(port)
        assert (
            samples.labels("counters_age_seconds") == samples.labels("port_hw_counter_total") == []
        )
        assert samples.get("port_active", **PORT) == 1
        configure(counting, entry(selectors={"rdmaDevices": ["mlx5_1"]}))
        await shows(port, "port_transmit_packets_total", 10, device="mlx5_1", port="1")
        assert not [
            each
            for each in (await scrape(port)).labels("port_transmit_packets_total")
            if each == PORT
        ]


HANGING = """
import sys, threading
from rdma_dp.cli import main as cli
from rdma_dp.host.tree import DiskTree
read = DiskTree.read
def read_or_hang(self, path, limit):
    data = read(self, path, limit)
    if data == b"hang\\n":
        threading.Event().wait()
    with open({log!r}, "a") as log:
        print(path, file=log)
    return data
DiskTree.read = read_or_hang
sys.exit(cli.main())
"""


async def test_a_read_that_hangs_keeps_neither_a_scrape_nor_the_other_counters(
    counting: Node, kubelet: SimulatedKubelet, port: int, tmp_path: Path
) -> None:
    code = HANGING.format(log=str(tmp_path / "reads"))
    async with python(code, "run", *counting.arguments, *metrics(port)) as daemon:
        await kubelet.wait_for(NAME, healthy(4))
        await shows(port, "port_out_of_sequence_total", 3, **PORT)
        counting.host.set_counters("mlx5_0", 1, {"hw_counters/out_of_sequence": "hang"})
        counting.host.set_counters("mlx5_1", 1, {"hw_counters/out_of_sequence": 7})
        samples = await shows(port, "port_out_of_sequence_total", 7, device="mlx5_1", port="1")
        assert samples.get("port_out_of_sequence_total", **PORT) == 3
        assert (samples.get("counters_age_seconds", device="mlx5_0") or 0) > 5
        assert daemon.count("the counters of mlx5_0 hangs") == 1
        await kubelet.allocate(NAME)
        await daemon.stop()


async def test_hcas_that_are_not_shared_are_never_read(
    counting: Node, kubelet: SimulatedKubelet, port: int, tmp_path: Path
) -> None:
    log = tmp_path / "reads"
    configure(counting, entry(selectors={"rdmaDevices": ["mlx5_1"]}))
    code = HANGING.format(log=str(log))
    async with python(code, "run", *counting.arguments, *metrics(port)) as daemon:
        await kubelet.wait_for(NAME, healthy(4))
        await shows(port, "port_out_of_sequence_total", 3, device="mlx5_1", port="1")
        read = [line for line in log.read_text().splitlines() if "counters/" in line]
        assert read
        assert not [line for line in read if "mlx5_0" in line]
        await daemon.stop()


async def test_the_page_with_all_counters_is_valid(
    counting: Node, kubelet: SimulatedKubelet, port: int
) -> None:
    configure(counting, counters="all")
    counting.host.set_counters("mlx5_0", 1, {'hw_counters/a "b"\\c': 1, "hw_counters/RNR sent": 2})
    async with counting.daemon(*metrics(port)):
        await kubelet.wait_for(NAME, healthy(4))
        await shows(port, "port_hw_counter_total", 1, **PORT, counter='a "b"\\c')
        samples = Samples((await get(port)).text)
        assert samples.get("port_hw_counter_total", **PORT, counter="RNR sent") == 2


async def test_all_wrong_settings_are_reported_at_once(
    node: Node, kubelet: SimulatedKubelet, port: int
) -> None:
    node.configure()
    async with node.daemon(*metrics(port)) as daemon:
        await kubelet.wait_for(NAME, healthy(4))
        node.configure(metrics={"counters": "some", "minInterval": 0, "pods": "queuepairs"})
        await daemon.says("metrics.counters")
        await daemon.says("metrics.minInterval")
        assert "metrics.pods" not in json.dumps(daemon.log)
