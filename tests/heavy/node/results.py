"""The results of a run, in a file from which docs/compatibility.md is made."""

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.heavy.node import features

FILE = "RDMA_DP_TEST_RESULTS"  # the variable with the file's name

Results = dict[str, Any]


def record(stats: Mapping[str, Sequence[Any]], *, core: bool) -> None:
    """Write pytest's reports of this run into the file, if one is named.

    `core` is whether only the tests marked so were run.
    """
    name = os.environ.get(FILE)
    if not name:
        return
    file = Path(name)
    before = json.loads(file.read_text()) if file.exists() else {}
    run = run_of(features.release(), features.containerd_release(), stats, core=core)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(merged(before, run), indent=1) + "\n")


def run_of(
    kubelet: str, containerd: str, stats: Mapping[str, Sequence[Any]], *, core: bool = False
) -> Results:
    """The counts of each file of tests, and the features that kubelet lacks."""
    counts: dict[str, Counter[str]] = {}
    lacks = set[str]()
    for outcome, reports in stats.items():
        for report in reports:
            if outcome in ("passed", "failed", "error", "skipped"):
                area = Path(report.nodeid.partition("::")[0]).stem.removeprefix("test_")
                counts.setdefault(area, Counter())["failed" if outcome == "error" else outcome] += 1
                lacks |= {it for key, it in report.user_properties if key == features.LACKS}
    tests = {area: dict(sorted(counts[area].items())) for area in sorted(counts)}
    programs = {"kubelet": kubelet, "containerd": containerd}
    return {**programs, "core": core, "tests": tests, "lacks": sorted(lacks)}


def merged(before: Results, run: Results) -> Results:
    """The file's content with a run, which replaces an older one of the same programs."""

    def programs(of: Results) -> list[list[int]]:
        return [[int(it) for it in of[key].split(".")] for key in ("kubelet", "containerd")]

    others = [each for each in before.get("runs", []) if programs(each) != programs(run)]
    table = [{**asdict(each), "since": each.first} for each in features.ALL]
    return {"features": table, "runs": sorted([*others, run], key=programs)}
