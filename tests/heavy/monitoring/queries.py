"""The shipped dashboard, and its queries without Grafana's variables."""

import json

from tests.paths import REPO

BOARD = json.loads((REPO / "deploy/components/monitoring/dashboard.json").read_text())


def filled_in(expression: str, interval: str = "20s") -> str:
    """The query with values for the variables: all nodes and HCAs, and this `$__rate_interval`."""
    for variable, value in {
        "$__rate_interval": interval,
        "$node": ".*",
        "$device": ".*",
    }.items():
        expression = expression.replace(variable, value)
    return expression
