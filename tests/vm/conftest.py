"""Keeps the suite to the VM, and sums it up there."""

import os
import time

import pytest

IN_VM = os.environ.get("RDMA_DP_IN_VM") == "1"

collect_ignore = [] if IN_VM else ["inside"]


def pytest_unconfigure(config: pytest.Config) -> None:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if not IN_VM or reporter is None:
        return
    count = {outcome: len(reports) for outcome, reports in reporter.stats.items()}
    failed = count.get("failed", 0) + count.get("error", 0)
    since_boot = time.clock_gettime(time.CLOCK_BOOTTIME)
    reporter.write_line(
        f"test-vm: {count.get('passed', 0)} passed, {failed} failed"
        f" (kernel {os.uname().release}, {since_boot:.0f} s)"
    )
