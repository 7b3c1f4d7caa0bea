"""The dashboard's queries before a real Prometheus that scrapes the real daemon."""

import asyncio
import json
import os
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from simulator import host as simulated_host
from simulator.host.made import COUNTERS
from simulator.kubelet import SimulatedKubelet
from tests.heavy.monitoring.promtool import promtool
from tests.integration.daemon.process import DEADLINE, NAME, Node, healthy
from tests.integration.daemon.scraping import LOOPBACK, free_port, get
from tests.paths import REPO

BOARD = json.loads((REPO / "deploy/components/monitoring/dashboard.json").read_text())
PANELS = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
QUERIES = [(panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]]

SCRAPES = """
global: {scrape_interval: 1s}
scrape_configs:
  - job_name: rdma-dp
    static_configs: [{targets: ["TARGET"], labels: {node: gpu-1}}]
"""
PROMETHEUS_DEADLINE = 120.0


@asynccontextmanager
async def prometheus(directory: Path, target: str) -> AsyncIterator[int]:
    """Debian's Prometheus, which scrapes the target each second. Yields its port."""
    port = free_port()
    config = directory / "prometheus.yml"
    config.write_text(SCRAPES.replace("TARGET", target))
    process = await asyncio.create_subprocess_exec(
        "prometheus", f"--config.file={config}", f"--storage.tsdb.path={directory / 'tsdb'}",
        f"--web.listen-address={LOOPBACK}:{port}", "--log.level=warn",
        env={**os.environ, "HOME": str(directory)},
    )  # fmt: skip
    try:
        yield port
    finally:
        process.kill()
        await process.wait()


async def asked(port: int, query: str) -> list[Any]:
    """The result of an instant query; [] while Prometheus starts."""
    url = f"http://{LOOPBACK}:{port}/api/v1/query?{urllib.parse.urlencode({'query': query})}"

    def ask() -> list[Any]:
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return list(json.load(answer)["data"]["result"])
        except urllib.error.HTTPError as error:
            if error.code == 503:  # it starts
                return []
            raise AssertionError(f"{query}: {error.read().decode()}") from error
        except (urllib.error.URLError, ConnectionError):
            return []

    return await asyncio.to_thread(ask)


def filled_in(expression: str) -> str:
    for variable, value in {
        "$__rate_interval": "20s",
        "$node": ".*",
        "$device": ".*",
    }.items():
        expression = expression.replace(variable, value)
    return expression


def without_condition(expression: str) -> str:
    """The query without its comparison: where nothing is wrong, the comparison returns nothing."""
    for comparison in (" == 0", " == 1", " > 0"):
        expression = expression.replace(comparison, "")
    return expression


@pytest.mark.parametrize(("title", "expression"), QUERIES)
def test_each_query_has_a_title_and_no_unknown_variable(title: str, expression: str) -> None:
    assert title
    assert "$" not in filled_in(expression)


def test_no_panel_overlaps_another() -> None:
    seen: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & seen, panel["title"]
        assert place["x"] + place["w"] <= 24
        seen |= cells


async def test_every_query_returns_data(tmp_path: Path, directory: Path) -> None:
    """From the real daemon on a simulated host, scraped by a real Prometheus."""
    # With HCAs that cannot be shared, and counters on each port.
    node, port = Node(directory, simulated_host.load("dgx-b200")), free_port()
    for path in (directory / "host/sys/class/infiniband").iterdir():
        node.host.set_counters(path.name, 1, dict.fromkeys(COUNTERS, 7))
    node.configure(metrics={"counters": "trouble", "minInterval": 1, "pods": "allocations"})
    async with (
        SimulatedKubelet(node.kubelet_root, pod_resources=True) as kubelet,
        node.daemon("--metrics", f"{LOOPBACK}:{port}"),
        prometheus(tmp_path, f"{LOOPBACK}:{port}") as server,
    ):
        await kubelet.wait_for(NAME, healthy(4))
        allocation = await kubelet.allocate(NAME, 2)
        kubelet.name(allocation, "team", "train-0", "main")
        async with asyncio.timeout(PROMETHEUS_DEADLINE):
            for _, expression in QUERIES:
                await returns_data(server, without_condition(filled_in(expression)))


async def returns_data(server: int, query: str) -> None:
    while True:
        if await asked(server, query):
            return
        await asyncio.sleep(0.5)


async def test_the_page_of_metrics_is_as_prometheus_wants_it(directory: Path) -> None:
    node, port = Node(directory), free_port()
    async with (
        SimulatedKubelet(node.kubelet_root) as kubelet,
        node.daemon("--metrics", f"{LOOPBACK}:{port}"),
    ):
        await kubelet.wait_for(NAME, healthy(4))
        async with asyncio.timeout(DEADLINE):
            page = (await get(port)).text
    code, said = promtool("check", "metrics", given=page)
    assert (code, said) == (0, ""), said
