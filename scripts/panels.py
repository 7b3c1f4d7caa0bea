"""A Grafana dashboard of rows of panels, as Grafana imports it."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

SCHEMA_VERSION = 39  # of Grafana 10.4 and later; older ones from 9 on read it too
COLUMNS = 24  # of Grafana's grid
HEIGHT = 8

SOURCE = {"type": "prometheus", "uid": "${datasource}"}

# Columns of a table that are no answer for an operator.
_HIDDEN = ("Time", "__name__", "instance", "job")

_FIRST = ("node", "namespace", "pod", "device", "port")  # the columns from the left


@dataclass(frozen=True)
class Panel:
    """One panel. `queries` maps the legend of each query to its expression.

    `states` are the texts and colors of values. A line marks the value `limit`. `values` is whether
    a table of one query shows its values.
    """

    title: str
    queries: Mapping[str, str]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 8
    meaning: str = ""
    states: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    limit: float | None = None
    values: bool = False


def board(
    title: str, uid: str, rows: Iterable[tuple[str, Sequence[Panel]]], variables: Mapping[str, str]
) -> dict[str, Any]:
    """A dashboard. `variables` maps the name of each variable to its query."""
    panels: list[dict[str, Any]] = []
    y = 0
    for name, row in rows:
        panels.append({"type": "row", "title": name, "gridPos": _place(0, y, COLUMNS, 1)})
        y, x = y + 1, 0
        for panel in row:
            if x + panel.width > COLUMNS:
                x, y = 0, y + HEIGHT
            panels.append(_panel(panel, _place(x, y, panel.width, HEIGHT)))
            x += panel.width
        y += HEIGHT
    return {
        "title": title,
        "uid": uid,
        "tags": ["rdma"],
        "schemaVersion": SCHEMA_VERSION,
        "refresh": "1m",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [*_variables(variables)]},
        "panels": [{"id": number, **panel} for number, panel in enumerate(panels, 1)],
    }


def _variables(queries: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        {"name": "datasource", "type": "datasource", "query": "prometheus"},
        *(
            {
                "name": name,
                "type": "query",
                "datasource": SOURCE,
                "query": query,
                "refresh": 2,
                "multi": True,
                "includeAll": True,
                "allValue": ".*",
                "current": {"text": "All", "value": "$__all"},
            }
            for name, query in queries.items()
        ),
    ]


def _place(x: int, y: int, width: int, height: int) -> dict[str, int]:
    """A place on Grafana's grid."""
    return {"x": x, "y": y, "w": width, "h": height}


def _panel(panel: Panel, at: Mapping[str, int]) -> dict[str, Any]:
    """The panel at a place. A table asks for the values of now only."""
    instant = panel.kind == "table"
    return {
        "type": panel.kind,
        "title": panel.title,
        **({"description": panel.meaning} if panel.meaning else {}),
        "gridPos": at,
        "datasource": SOURCE,
        "fieldConfig": {"defaults": _field(panel), "overrides": []},
        **({"transformations": _transformations(panel)} if instant else {}),
        "targets": [
            {
                "refId": _query_id(number),
                "expr": query,
                "legendFormat": legend,
                "instant": instant,
                **({"format": "table"} if instant else {}),
            }
            for number, (legend, query) in enumerate(panel.queries.items())
        ],
    }


def _field(panel: Panel) -> dict[str, Any]:
    """How Grafana shows the values."""
    shown: dict[str, Any] = {"unit": panel.unit}
    if panel.limit is not None:
        steps = [{"color": "green", "value": None}, {"color": "red", "value": panel.limit}]
        shown["thresholds"] = {"mode": "absolute", "steps": steps}
        shown["custom"] = {"thresholdsStyle": {"mode": "line"}}
    if panel.states:
        texts = {
            value: {"text": text, "color": color} for value, (text, color) in panel.states.items()
        }
        shown["mappings"] = [{"type": "value", "options": texts}]
    return shown


def _transformations(panel: Panel) -> list[dict[str, Any]]:
    """One table for all queries. With several, each has a column of values with its legend."""
    hidden = _HIDDEN if panel.values or len(panel.queries) > 1 else (*_HIDDEN, "Value")
    names = {
        f"Value #{_query_id(number)}": re.sub(r"\{\{.*?\}\}", "", legend).strip()
        for number, legend in enumerate(panel.queries)
    }
    options = {
        "excludeByName": dict.fromkeys(hidden, True),
        "renameByName": names,
        "indexByName": {name: place for place, name in enumerate(_FIRST)},
    }
    return [{"id": "merge", "options": {}}, {"id": "organize", "options": options}]


def _query_id(number: int) -> str:
    return chr(ord("A") + number)
