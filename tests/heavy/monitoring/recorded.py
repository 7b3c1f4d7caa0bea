"""Pages of the daemon as a recorded history, before which promtool evaluates the shipped alerts."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import yaml

from tests.heavy.monitoring.promtool import RULES, promtool
from tests.integration.daemon.scraping import Samples
from tests.paths import REPO

# The labels that a scrape config gives to the target.
TARGET = {"job": "rdma-dp", "instance": "192.0.2.7:8765", "node": "node-1"}

MINUTES = 20  # each page is what scrapes show for so long, which is longer than any alert waits

Firing = tuple[str, str]
"""An alert and the HCA that it names."""


def alerts_fire(
    pages: Sequence[Samples], expected: Sequence[Iterable[Firing]], directory: Path
) -> None:
    """Fails unless exactly these alerts of the shipped rules fire at the end of each page."""
    test = {
        "interval": "1m",
        "input_series": [
            {"series": series, "values": values} for series, values in _history(pages).items()
        ],
        "promql_expr_test": [
            {
                "expr": 'count by (alertname, device) (ALERTS{alertstate="firing"})',
                "eval_time": f"{(number + 1) * MINUTES - 1}m",
                "exp_samples": [
                    {"labels": _labels({"alertname": alert, "device": device}), "value": 1}
                    for alert, device in alerts
                ],
            }
            for number, alerts in enumerate(expected)
        ],
    }
    file = directory / "recorded.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [str(REPO / RULES)], "tests": [test]}))
    code, said = promtool("test", "rules", file)
    assert code == 0, said


def _history(pages: Sequence[Samples]) -> dict[str, str]:
    """Every sample of the pages in promtool's notation. The target answers all the time."""
    seen = dict.fromkeys(key for page in pages for key in page.numbers)
    samples = {
        f"{name}{_labels({**dict(labels), **TARGET})}": _values(
            page.numbers.get((name, labels)) for page in pages
        )
        for name, labels in seen
    }
    return {**samples, f"up{_labels(TARGET)}": _values(1.0 for _ in pages)}


def _labels(labels: Mapping[str, str]) -> str:
    def quoted(text: str) -> str:
        return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")

    pairs = (f'{name}="{quoted(labels[name])}"' for name in sorted(labels))
    return f"{{{', '.join(pairs)}}}"


def _values(values: Iterable[float | None]) -> str:
    """A sample each minute. A series ends where a page lacks its sample: `stale`."""
    words = ("stale" if value is None else repr(value) for value in values)
    return " ".join(word for word in words for _ in range(MINUTES))
