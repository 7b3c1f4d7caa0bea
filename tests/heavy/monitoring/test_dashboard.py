"""The dashboard's queries before a real Prometheus that scrapes the real daemon."""

import asyncio
from pathlib import Path

import pytest

from simulator.kubelet import SimulatedKubelet
from tests.heavy.monitoring.fleet import fleet
from tests.heavy.monitoring.prometheus import until_answered
from tests.heavy.monitoring.promtool import promtool
from tests.heavy.monitoring.queries import BOARD, filled_in
from tests.integration.daemon.process import DEADLINE, NAME, Node, healthy
from tests.integration.daemon.scraping import LOOPBACK, free_port, get

PANELS = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
QUERIES = [(panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]]

DEADLINE_OF_ALL = 120.0  # seconds


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
    """From the daemon on a simulated host and from what stands in for more of a node."""
    async with fleet(tmp_path, directory) as running, asyncio.timeout(DEADLINE_OF_ALL):
        for _, expression in QUERIES:
            await until_answered(running.prometheus, without_condition(filled_in(expression, "5m")))


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
