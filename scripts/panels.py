"""Panels of a Grafana dashboard, as Grafana imports them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SOURCE = {"type": "prometheus", "uid": "${datasource}"}

# Columns of a table that are no answer for an operator.
_HIDDEN = ("Time", "__name__", "instance", "job")


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


def place(x: int, y: int, width: int, height: int) -> dict[str, int]:
    """A place on Grafana's grid."""
    return {"x": x, "y": y, "w": width, "h": height}


def panel_as_json(panel: Panel, at: Mapping[str, int]) -> dict[str, Any]:
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
    options = {"excludeByName": dict.fromkeys(hidden, True), "renameByName": names}
    return [{"id": "merge", "options": {}}, {"id": "organize", "options": options}]


def _query_id(number: int) -> str:
    return chr(ord("A") + number)
