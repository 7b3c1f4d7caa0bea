"""What a scan costs, counted in operations on files and not in seconds."""

import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from rdma_dp.discovery import scan
from rdma_dp.host import Host
from rdma_dp.standin.host import generate, sample_names

from ..conftest import Fresh, Sample

CLASSES = ("infiniband", "infiniband_verbs", "infiniband_mad", "net")


class CountingHost(Host):
    """Counts every path that is made for the operating system."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.operations = 0

    def _at(self, path: str) -> str:
        self.operations += 1
        return super()._at(path)


class Watch:
    """What Python itself sees opened and listed; an audit hook cannot be taken away again."""

    def __init__(self) -> None:
        self.on = False
        self.opened: Counter[str] = Counter()
        self.listed: Counter[str] = Counter()
        sys.addaudithook(self._see)

    def _see(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.on and event in ("open", "os.listdir", "os.scandir"):
            kind = self.opened if event == "open" else self.listed
            kind[os.fspath(arguments[0])] += 1


_watch = Watch()


@pytest.fixture
def watch() -> Watch:
    _watch.opened.clear()
    _watch.listed.clear()
    return _watch


def watched_scan(watch: Watch, root: Path) -> None:
    host = Host(root)
    watch.on = True
    try:
        scan(host)
    finally:
        watch.on = False


@pytest.mark.parametrize("name", sample_names())
def test_each_class_is_listed_once(name: str, sample: Sample, watch: Watch) -> None:
    root = sample(name)
    watched_scan(watch, root)
    for directory in (*(f"sys/class/{name}" for name in CLASSES), "sys/bus/pci/devices"):
        assert watch.listed[str(root / directory)] == 1


@pytest.mark.parametrize("name", sample_names())
def test_no_counter_is_read(name: str, sample: Sample, watch: Watch) -> None:
    watched_scan(watch, sample(name))
    assert watch.opened  # the hook is at work
    touched = [*watch.opened, *watch.listed]
    assert not [path for path in touched if "counters" in path or "cm_" in path]


def test_no_file_of_a_plain_host_is_read_twice(sample: Sample, watch: Watch) -> None:
    watched_scan(watch, sample("dgx-h100"))
    assert {path: n for path, n in watch.opened.items() if n > 1} == {}


def test_netdevs_of_pods_are_listed_and_not_read(sample: Sample, watch: Watch) -> None:
    watched_scan(watch, sample("seed"))
    assert not [path for path in watch.opened if "/net/lo/" in path]


def test_eight_times_the_hcas_cost_about_eight_times_as_much(fresh: Fresh) -> None:
    costs = {}
    for count in (64, 512):
        host = CountingHost(fresh(generate(count)).root)
        assert len(scan(host).hcas) == count
        costs[count] = host.operations
    assert costs[512] / costs[64] < 9
    assert costs[64] < 64 * 60


def test_vital_product_data_are_read_once_for_many_scans(sample: Sample, watch: Watch) -> None:
    host = Host(sample("dgx-b200"))
    watch.on = True
    try:
        first, second = scan(host), scan(host)
    finally:
        watch.on = False
    assert first == second
    read = {path: n for path, n in watch.opened.items() if path.endswith("/vpd")}
    assert read
    assert set(read.values()) == {1}
