"""docs/compatibility.md, from the results that `make test-kubelets` writes."""

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "compatibility.json"

Run = Mapping[str, Any]

WIDTH = 100  # columns of a page
NONE = "-"

HEAD = """\
# Compatibility

Made by `make docs` from docs/compatibility.json, which the tests write:

```sh
make test-kubelets VERSIONS="1.28.15 1.36.3" CONTAINERD="1.7 2" RESULTS=docs/compatibility.json
```

They run the real kubelet and containerd of each release, built from their Go modules, with this
daemon on a simulated host. Only what is listed here was run.
"""

RUN = """\
## What was run

Each number is how many tests passed. "core" are the most important ones, which `.ci/run` runs on
the oldest kubelet. Each test runs with both ways to register. A test of a feature that kubelet
lacks is skipped, and the last column names the feature. Where kubelet lacks the CDI field, other
tests with CDI use annotations. `-` means not run.
"""

# The files of tests, and what they test.
AREAS = {
    "devices": "devices",
    "restarts": "restarts",
    "replacement": "hand-over",
    "upgrade": "from the Go plugin",
    "cdi": "CDI",
    "health": "health",
    "topology": "NUMA",
    "preference": "preferred slots",
}

LACKS = """\
## What works on which release

What a release of Kubernetes has by default. The hand-over between two plugins in a rolling update
needs no feature: the column hand-over above has its tests.
"""

WITHOUT = """\
## What is different without a feature
"""

END = """\
containerd 1.7 reads CDI names with `enable_cdi = true` in its configuration, and containerd 2
without a setting. DRA needs an API server: `make test-kubelets` does not test it.
"""


def page(results: Mapping[str, Any]) -> str:
    """The text of the page."""
    features, runs = results["features"], results["runs"]
    parts = (HEAD, RUN, _runs(runs), LACKS, _has(features, runs), WITHOUT, *_without(features), END)
    return "\n".join(parts)


def of_file() -> str:
    """The text of the page for the results in docs/."""
    return page(json.loads(RESULTS.read_text()))


def _runs(runs: Sequence[Run]) -> str:
    head = ("kubelet", "containerd", "tests", *AREAS.values(), "skipped")
    rows = (
        (
            run["kubelet"],
            run["containerd"],
            "core" if run["core"] else "all",
            *(_count(run["tests"].get(area)) for area in AREAS),
            ", ".join(run["lacks"]),
        )
        for run in runs
    )
    return _table(head, rows)


def _count(outcomes: Mapping[str, int] | None) -> str:
    if outcomes is None:
        return NONE
    passed, failed = outcomes.get("passed", 0), outcomes.get("failed", 0)
    return f"{passed}, {failed} failed" if failed else str(passed)


def _has(features: Sequence[Mapping[str, str]], runs: Sequence[Run]) -> str:
    minors = sorted({_minor(run["kubelet"]) for run in runs})
    rows = (
        (
            f"{major}.{minor}",
            *("yes" if (major, minor) >= _minor(it["since"]) else "no" for it in features),
        )
        for major, minor in minors
    )
    return _table(("Kubernetes", *(it["name"] for it in features)), rows)


def _minor(release: str) -> tuple[int, int]:
    major, minor, *_ = release.split(".")
    return int(major), int(minor)


def _without(features: Sequence[Mapping[str, str]]) -> Iterator[str]:
    for it in features:
        text = f"- {it['name']}, since {it['since']} (feature gate `{it['gate']}`). {it['without']}"
        yield textwrap.fill(text, WIDTH, subsequent_indent="  ", break_on_hyphens=False)
    yield ""


def _table(head: Sequence[str], rows: Iterator[tuple[str, ...]]) -> str:
    lines = (head, ("---",) * len(head), *rows)
    return "".join(f"| {' | '.join(line)} |\n" for line in lines).replace("|  |", "| |")
