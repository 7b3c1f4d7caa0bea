"""Keeps the suite to the VM, and sums it up there."""

import os
import time
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

IN_VM = os.environ.get("RDMA_DP_IN_VM") == "1"

collect_ignore = [] if IN_VM else ["inside"]


def pytest_unconfigure(config: pytest.Config) -> None:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if not IN_VM or reporter is None:
        return
    for name, figure in _figures(reporter.stats.values()):
        reporter.write_line(f"test-vm: {name}: {figure}")
    count = {outcome: len(reports) for outcome, reports in reporter.stats.items()}
    failed = count.get("failed", 0) + count.get("error", 0)
    since_boot = time.clock_gettime(time.CLOCK_BOOTTIME)
    reporter.write_line(
        f"test-vm: {count.get('passed', 0)} passed, {failed} failed"
        f" (kernel {os.uname().release}, {since_boot:.0f} s)"
    )


def _figures(outcomes: Iterable[list[Any]]) -> Iterator[tuple[str, object]]:
    """What tests measured, by `record_property`."""
    for reports in outcomes:
        for report in reports:
            if getattr(report, "when", None) == "call":
                yield from report.user_properties
