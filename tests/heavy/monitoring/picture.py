"""`python -m tests.heavy.monitoring.picture FILE.svg`: the dashboard from answers of Prometheus.

The daemon and a simulated host run for a minute. Its counters grow, and ports go down. Grafana does
not draw this. The picture shows whether titles, units, legends and columns are understandable.
"""

import asyncio
import html
import logging
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from simulator.host.made import COUNTERS
from simulator.scratch import scratch
from tests.heavy import debian, suite
from tests.heavy.monitoring.fleet import SATURATED, Fleet, fleet
from tests.heavy.monitoring.prometheus import asked
from tests.heavy.monitoring.queries import BOARD, filled_in

SECONDS = 60
CELL_WIDTH, CELL_HEIGHT, TEXT, PADDING = 70, 28, 11, 12  # pixels; of Grafana's grid, of letters
LINES = 6  # series of a legend, and rows of a table
COLORS = ("#7eb26d", "#eab839", "#6ed0e0", "#ef843c", "#e24d42", "#1f78c1", "#ba43a9", "#705da0")
PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
UNITS = {"bps": "b/s", "cps": "/s", "bytes": "B", "s": "s", "short": ""}

Series = Mapping[str, Any]
"""An element of Prometheus' answer: `metric` has the labels."""


async def main(file: Path) -> None:
    """Run the fleet, ask all queries and draw."""
    with tempfile.TemporaryDirectory() as storage, scratch("m-") as directory:
        async with fleet(Path(storage), Path(directory)) as running:
            begun = time.time()
            await _live(running)
            end = time.time()
            panels = [
                await _drawn(panel, running.prometheus, begun, end) for panel in BOARD["panels"]
            ]
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in BOARD["panels"])
    size = f'width="{24 * CELL_WIDTH}" height="{height * CELL_HEIGHT}"'
    style = f"text{{font:{TEXT}px sans-serif;fill:#ccc}}"
    file.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}><style>{style}</style>'
        f'<rect width="100%" height="100%" fill="#111"/>{"".join(panels)}</svg>'
    )


async def _live(running: Fleet) -> None:
    """A minute with traffic and errors. One port is down for a third of it, another to the end."""
    hcas = sorted(hca.name for hca in (running.node.host.root / "sys/class/infiniband").iterdir())
    for second in range(SECONDS):
        for number, hca in enumerate(hcas):
            growth = (number + 1) * second
            words = {name: growth * (10**9 if "data" in name else 3) for name in COUNTERS}
            running.node.host.set_counters(hca, 1, {**words, **SATURATED})
        running.statistics["rx_prio3_pause"] += 50
        running.statistics["rx_prio3_pause_duration"] += 150_000
        if second == SECONDS // 3:
            for hca in hcas[-2:]:
                running.node.host.set_port(hca, 1, state="DOWN", phys_state="Polling")
        if second == 2 * SECONDS // 3:
            running.node.host.set_port(hcas[-1], 1, state="ACTIVE", phys_state="LinkUp")
        await asyncio.sleep(1)


async def _drawn(panel: Mapping[str, Any], server: int, begun: float, end: float) -> str:
    """A panel as SVG."""
    place = panel["gridPos"]
    x, y = place["x"] * CELL_WIDTH, place["y"] * CELL_HEIGHT
    width, height = place["w"] * CELL_WIDTH - 6, place["h"] * CELL_HEIGHT - 6
    parts = [_text(PADDING, 16, panel["title"], "font-weight:bold")]
    if panel["type"] != "row":
        parts.append(f'<rect width="{width}" height="{height}" fill="none" stroke="#444"/>')
        window = {} if panel["type"] == "table" else {"start": begun, "end": end, "step": 1}
        answers = [
            (target, await asked(server, filled_in(target["expr"]), **window))
            for target in panel["targets"]
        ]
        if not any(series for _, series in answers):
            parts.append(_text(PADDING, 40, "No data"))
        elif window:
            parts.extend(_lines(panel, answers, width, height, begun, end))
        else:
            parts.extend(_table(panel, answers))
    return f'<g transform="translate({x},{y})">{"".join(parts)}</g>'


def _lines(
    panel: Mapping[str, Any],
    answers: Iterable[Any],
    width: int,
    height: int,
    begun: float,
    end: float,
) -> Iterator[str]:
    shown = [(_legend(target, each), each) for target, found in answers for each in found]
    defaults = panel["fieldConfig"]["defaults"]
    values = [float(value) for _, each in shown for _, value in each["values"] if value != "NaN"]
    top = max([*values, 0.0]) or 1.0
    bottom, graph = height - LINES * (TEXT + 3) - 22, height - LINES * (TEXT + 3) - 60
    yield _text(PADDING, 34, _number(top, defaults["unit"]))
    yield _text(PADDING, bottom + 12, f"0  (to {_number(end - begun, 's')})")
    options = (defaults.get("mappings") or [{}])[0].get("options", {})
    for number, (legend, each) in enumerate(shown):
        color = COLORS[number % len(COLORS)]
        points = [
            (PADDING + (at - begun) / (end - begun) * (width - 2 * PADDING), value)
            for at, value in each["values"]
        ]
        if panel["type"] == "state-timeline":
            lane = 38 + number % 8 * graph / 8
            for left, value in points:
                fill = options.get(value, {}).get("color", "gray")
                yield f'<rect x="{left}" y="{lane}" width="5" height="{graph / 10}" fill="{fill}"/>'
        else:
            path = " ".join(
                f"{left:.1f},{bottom - float(value) / top * graph:.1f}" for left, value in points
            )
            yield f'<polyline points="{path}" fill="none" stroke="{color}"/>'
        if number < LINES:
            yield _text(PADDING, bottom + 26 + number * (TEXT + 3), legend, f"fill:{color}")
    if len(shown) > LINES:
        yield _text(width - 90, bottom + 12, f"{len(shown)} series")


def _table(panel: Mapping[str, Any], answers: Iterable[Any]) -> Iterator[str]:
    """As Grafana's transformations `merge` and `organize` make it."""
    options = panel["transformations"][1]["options"]
    rows: dict[tuple[tuple[str, str], ...], dict[str, str]] = {}
    found = [(target["refId"], each) for target, series in answers for each in series]
    for query, each in found:
        value = f"Value #{query}" if len(panel["targets"]) > 1 else "Value"
        labels = tuple(sorted(each["metric"].items()))
        rows.setdefault(labels, dict(labels))[value] = each["value"][1]
    hidden = {name for name, hides in options["excludeByName"].items() if hides}
    columns = list(
        dict.fromkeys(name for row in rows.values() for name in row if name not in hidden)
    )
    first = options["indexByName"]
    columns.sort(key=lambda name: first.get(name, len(first)))
    heads = [options["renameByName"].get(name, name) for name in columns]
    for number, words in enumerate(
        [heads, *([row.get(c, "") for c in columns] for row in rows.values())]
    ):
        line = "   ".join(f"{word[:18]:18}" for word in words)
        if number <= LINES:
            yield _text(
                PADDING, 36 + number * (TEXT + 5), line, "white-space:pre;font-family:monospace"
            )
    if len(rows) > LINES:
        yield _text(PADDING, 44 + (LINES + 1) * (TEXT + 5), f"{len(rows)} rows")


def _legend(target: Mapping[str, Any], series: Series) -> str:
    return re.sub(
        r"\{\{(\w+)\}\}", lambda found: series["metric"].get(found[1], ""), target["legendFormat"]
    )


def _number(value: float, unit: str) -> str:
    if unit == "percentunit":
        return f"{100 * value:.3g} %"
    for factor, prefix in PREFIXES:
        if value >= factor:
            return f"{value / factor:.3g} {prefix}{UNITS[unit]}"
    return f"{value:.3g} {UNITS[unit]}"


def _text(x: float, y: float, text: str, style: str = "") -> str:
    return f'<text x="{x}" y="{y}" style="{style}">{html.escape(text)}</text>'


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="picture: %(message)s")
    unpacked = debian.unpacked(("prometheus",), suite.cache("monitoring"))
    os.environ["PATH"] = f"{unpacked}/usr/bin{os.pathsep}{os.environ['PATH']}"
    asyncio.run(main(Path(sys.argv[1])))
