"""What a scan costs, counted in operations on files and not in seconds."""

import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from rdma_dp.discovery import scan
from rdma_dp.host.files import Host
from rdma_dp.host.tree import DiskTree
from simulator.host import Manifest, generate, sample_names
from tests.conftest import Fresh, Sample

CLASSES = ("infiniband", "infiniband_verbs", "infiniband_mad", "net")


class CountingTree(DiskTree):
    """Counts every operation on files."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.operations = 0

    def names(self, path: str) -> list[str]:
        self.operations += 1
        return super().names(path)

    def target(self, path: str) -> str:
        self.operations += 1
        return super().target(path)

    def read(self, path: str, limit: int) -> bytes:
        self.operations += 1
        return super().read(path, limit)

    def status(self, path: str) -> os.stat_result:
        self.operations += 1
        return super().status(path)


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


def switchdev(*vfs: str) -> Manifest:
    """A PF without HCA in switchdev mode, with a hundred representors; `vfs` are those of VFs."""
    pf = "0000:08:00.0"
    switch = {"switch_id": "04038a0003c288a0"}
    representors = {f"rep{n}": {"port_name": f"pf0vf{n}", **switch} for n in range(100)}
    net = {"uplink": {"port_name": "p0", **switch}, **representors}
    functions: dict[str, Any] = {pf: {"id": "15b3:101d", "rdma": False, "net": net}}
    for function, hca in enumerate(vfs, start=1):
        functions[f"0000:08:00.{function}"] = {"id": "15b3:101e", "physfn": pf, "hcas": [hca]}
    return Manifest.model_validate({"title": "switchdev", "functions": functions})


def test_representors_that_nothing_needs_are_listed_and_not_read(
    fresh: Fresh, watch: Watch
) -> None:
    watched_scan(watch, fresh(switchdev()).root)
    assert not [path for path in watch.opened if "/net/rep" in path]


def test_representors_beside_vfs_are_read_once_for_all_of_them(fresh: Fresh, watch: Watch) -> None:
    watched_scan(watch, fresh(switchdev("mlx5_0", "mlx5_1", "mlx5_2")).root)
    read = {path: n for path, n in watch.opened.items() if "/net/rep" in path}
    assert read
    assert set(read.values()) == {1}


def test_a_pf_is_listed_once_for_all_its_vfs(fresh: Fresh, watch: Watch) -> None:
    root = fresh(generate(8, vfs=True)).root
    watched_scan(watch, root)
    pfs = [path for path in watch.listed if path.startswith(f"{root}/sys/bus/pci/devices/")]
    assert [watch.listed[path] for path in pfs] == [1]


def test_eight_times_the_hcas_cost_about_eight_times_as_much(fresh: Fresh) -> None:
    costs = {}
    for count in (64, 512):
        tree = CountingTree(fresh(generate(count)).root)
        assert len(scan(Host(tree)).hcas) == count
        costs[count] = tree.operations
    assert costs[512] / costs[64] < 9
    assert costs[64] < 64 * 60


def test_each_link_of_another_hosts_tree_is_read_once(
    fresh: Fresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The links above each file were read again for each read of a file."""
    read: Counter[str] = Counter()
    readlink = os.readlink

    def counted(path: str) -> str:
        read[path] += 1
        return readlink(path)

    root = fresh(generate(8)).root
    monkeypatch.setattr(os, "readlink", counted)
    assert len(scan(Host(root)).hcas) == 8
    assert read
    assert max(read.values()) <= 2  # by a question for its target as well


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
