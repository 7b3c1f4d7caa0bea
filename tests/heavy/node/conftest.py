"""The reports of both suites. Only `python -m tests.heavy.node` runs them."""

import os
import re
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests.heavy.node import results
from tests.heavy.node.features import LACKS
from tests.heavy.node.process import logs

ENABLED = "RDMA_DP_TEST_NODE" in os.environ

if not ENABLED:
    collect_ignore_glob = ["*"]

FAILED = pytest.StashKey[bool]()
_LAST_LINES = 25
_PODS = Path("/var/log/pods")  # kubelet's directory for the logs of containers
_TELLING = {  # the lines of a log that a failure shows
    "containerd": re.compile("level=(error|fatal)"),
    "etcd": re.compile(r"level=fatal|^panic"),
    **dict.fromkeys(
        ("kube-apiserver", "kube-controller-manager", "kube-scheduler"),
        re.compile(r"^[EF]\d{4}|^panic|^goroutine"),
    ),
    "kubelet": re.compile(r"rdma_shared|^[EF]\d{4}|^panic|^goroutine"),
}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """A failure shows the last lines of the logs."""
    report = yield
    if report.failed:
        item.stash[FAILED] = True
        for log in sorted(logs().glob("*.log")):
            lines = log.read_text(errors="replace").splitlines()
            if telling := _TELLING.get(log.stem):
                lines = [line for line in lines if telling.search(line)]
            report.sections.append((log.name, "\n".join(lines[-_LAST_LINES:])))
        for log in sorted(_PODS.glob("kube-system_*/*/*.log")):
            lines = log.read_text(errors="replace").splitlines()
            report.sections.append((str(log), "\n".join(lines[-_LAST_LINES:])))
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The table of steps and times, and the file of results."""
    if not ENABLED:
        return
    core = bool(terminalreporter.config.getoption("core", False))
    results.record(terminalreporter.stats, core=core)
    terminalreporter.section("steps")
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            terminalreporter.write_line(f"{outcome}  {report.duration:6.2f} s  {_title(report)}")
            for step, seconds in report.user_properties:
                if isinstance(seconds, float):
                    terminalreporter.write_line(f"        {seconds:6.2f} s      {step}")
                elif isinstance(seconds, int):
                    terminalreporter.write_line(f"        {seconds:6d}        {step}")
                elif step == LACKS:
                    terminalreporter.write_line(f"        not tested: {seconds}, kubelet lacks it")


def _title(report: Any) -> str:
    path, _, name = report.nodeid.partition("::")
    suite, file = path.split("/")[-2:]
    return f"{suite}, {file[5:-3]}: {name.removeprefix('test_').replace('_', ' ')}"
