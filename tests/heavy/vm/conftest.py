"""Lets the suite run only in the VM, and prints a summary there."""

import os
import time
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

SUITE = os.environ.get("RDMA_DP_IN_VM")  # its name in the VM

collect_ignore = [] if SUITE else ["inside", "node", "dra"]


def pytest_unconfigure(config: pytest.Config) -> None:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if SUITE is None or reporter is None:
        return
    for name, figure in _figures(reporter.stats.values()):
        reporter.write_line(f"{SUITE}: {name}: {figure}")
    count = {outcome: len(reports) for outcome, reports in reporter.stats.items()}
    failed = count.get("failed", 0) + count.get("error", 0)
    since_boot = time.clock_gettime(time.CLOCK_BOOTTIME)
    reporter.write_line(
        f"{SUITE}: {count.get('passed', 0)} passed, {failed} failed"
        f" (kernel {os.uname().release}, {since_boot:.0f} s)"
    )


def _figures(outcomes: Iterable[list[Any]]) -> Iterator[tuple[str, str]]:
    """The measurements that tests added with `record_property`."""
    for reports in outcomes:
        for report in reports:
            if getattr(report, "when", None) == "call":
                found = report.user_properties
                yield from ((name, figure) for name, figure in found if isinstance(figure, str))
