"""When counters are read for scrapes, of which HCAs, and what a scrape shows meanwhile."""

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rdma_dp.config import parse
from rdma_dp.discovery import scan
from rdma_dp.host.files import Host
from rdma_dp.host.netlink.backends import RecordedNetlink
from rdma_dp.host.tree import DiskTree
from rdma_dp.inventory.hardware import Hca
from rdma_dp.monitoring.counter_reader import CounterReader
from rdma_dp.sharing.state import NodeState, next_state
from simulator.host import SimulatedHost
from tests.conftest import Fresh
from tests.logs import Log
from tests.makers import ineligible

COUNTER = "counters/symbol_error"
NAME = "symbol_errors"


class Tree(DiskTree):
    """Records the reads, and holds those back whose path has one of `held`."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.paths: list[str] = []
        self.held: set[str] = set()
        self.reached = threading.Event()
        self.go_on = threading.Event()
        self.failure: OSError | None = None

    def read(self, path: str, limit: int) -> bytes:
        self.paths.append(path)
        if any(part in path for part in self.held):
            self.reached.set()
            self.go_on.wait()
        if self.failure is not None and "counters" in path:
            raise self.failure
        return super().read(path, limit)

    def of(self, hca: str) -> int:
        """How often the counter of an HCA was read."""
        return sum(f"/{hca}/" in path and path.endswith(COUNTER) for path in self.paths)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Bench:
    """Two HCAs with a counter, a config, and the reader."""

    def __init__(self, host: SimulatedHost) -> None:
        self.host, self.tree, self.clock = host, Tree(host.root), Clock()
        self.state: NodeState | None = None
        self.configure()
        self.reader = self.made(wait=60.0)

    def made(self, wait: float) -> CounterReader:
        return CounterReader(
            Host(self.tree), lambda: self.state, wait=wait, patience=10.0, clock=self.clock
        )

    def configure(self, select: str = "{vendors: [15b3]}", **metrics: object) -> None:
        entry = f"{{resourceName: a, rdmaHcaMax: 2, selectors: {select}}}"
        text = f"metrics: {json.dumps(metrics)}\nconfigList: [{entry}]"
        config = parse(text).config
        self.state = next_state(config, scan(Host(self.host.root)), 0.0)

    def value(self, hca: str = "mlx5_0") -> int | None:
        (found,) = (each for each in self.hcas if each.name == hca)
        reading = self.reader.reading(found)
        return reading.ports[1].values.get(NAME) if reading else None

    @property
    def hcas(self) -> tuple[Hca, ...]:
        assert self.state is not None
        return self.state.inventory.hcas

    def count(self, value: object, hca: str = "mlx5_0") -> None:
        self.host.set_counters(hca, 1, {COUNTER: value})


@pytest.fixture
def bench(fresh: Fresh) -> Iterator[Bench]:
    host = fresh("seed")
    made = Bench(host)
    for hca in ("mlx5_0", "mlx5_1"):
        made.count(1, hca)
    made.configure()
    yield made
    made.tree.go_on.set()


async def test_the_first_scrape_reads_every_shared_hca(bench: Bench) -> None:
    await bench.reader.refreshed()
    assert (bench.value("mlx5_0"), bench.value("mlx5_1")) == (1, 1)


async def test_nothing_is_read_again_within_the_interval(bench: Bench) -> None:
    await bench.reader.refreshed()
    bench.count(2)
    bench.clock.now += 13.9  # of 15, less the jitter of a scrape
    await bench.reader.refreshed()
    assert (bench.value(), bench.tree.of("mlx5_0")) == (1, 1)
    bench.clock.now += 0.2
    await bench.reader.refreshed()
    assert (bench.value(), bench.tree.of("mlx5_0")) == (2, 2)


async def test_the_interval_of_a_new_config_holds_at_once(bench: Bench) -> None:
    await bench.reader.refreshed()
    bench.clock.now += 5
    bench.configure(minInterval=5)
    await bench.reader.refreshed()
    assert bench.tree.of("mlx5_0") == 2


async def test_nothing_is_read_with_counters_none(bench: Bench) -> None:
    bench.configure(counters="none")
    await bench.reader.refreshed()
    assert bench.tree.paths == []


async def test_nothing_is_read_before_the_first_scan(bench: Bench) -> None:
    bench.state = None
    await bench.reader.refreshed()
    assert bench.tree.paths == []


async def test_scrapes_at_once_share_one_reading(bench: Bench) -> None:
    await asyncio.gather(*(bench.reader.refreshed() for _ in range(5)))
    assert bench.tree.of("mlx5_0") == 1
    assert bench.value() == 1


async def test_an_hca_that_no_resource_shares_is_never_read(bench: Bench) -> None:
    bench.configure("{rdmaDevices: [mlx5_1]}")
    await bench.reader.refreshed()
    assert not [path for path in bench.tree.paths if "mlx5_0" in path]
    assert bench.value("mlx5_1") == 1


async def test_an_excluded_hca_is_never_read(bench: Bench) -> None:
    assert bench.state is not None
    inventory = bench.state.inventory
    first, *others = inventory.hcas
    refused = replace(inventory, hcas=(replace(first, ineligible=ineligible()), *others))
    bench.state = next_state(bench.state.config, refused, 0.0)
    await bench.reader.refreshed()
    assert not [path for path in bench.tree.paths if first.name in path]
    assert bench.value("mlx5_1") == 1


async def test_a_reading_that_takes_long_delays_a_scrape_once_and_for_a_moment(
    bench: Bench,
) -> None:
    bench.reader = bench.made(wait=0.0)
    bench.tree.held.add("mlx5_1/ports")
    await bench.reader.refreshed()
    await asyncio.to_thread(bench.tree.reached.wait)
    await bench.reader.refreshed()
    assert bench.value("mlx5_1") is None


async def test_an_hca_whose_read_hangs_keeps_its_values_and_delays_no_other(
    bench: Bench, lines: Log
) -> None:
    bench.reader = bench.made(wait=60.0)
    await bench.reader.refreshed()
    hanging = bench.hcas[0]
    bench.tree.held.add(f"{hanging.name}/ports/1/{COUNTER}")
    for hca in ("mlx5_0", "mlx5_1"):
        bench.count(2, hca)
    bench.clock.now += 15
    scrape = asyncio.create_task(bench.reader.refreshed())
    await asyncio.to_thread(bench.tree.reached.wait)
    bench.clock.now += 15  # longer than the patience
    await bench.reader.refreshed()  # another reading, without the HCA that hangs
    assert (bench.value("mlx5_0"), bench.value("mlx5_1")) == (1, 2)
    assert lines.count("the counters of mlx5_0 hangs") == 1
    old, new = (bench.reader.reading(hca) for hca in bench.hcas[:2])
    assert old is not None
    assert new is not None
    assert (bench.reader.age(old), bench.reader.age(new)) == (30.0, 0.0)
    bench.clock.now += 15
    await bench.reader.refreshed()
    assert len(lines.all) == 1  # it still hangs, and one thread waits for it
    bench.tree.go_on.set()
    await scrape
    assert bench.value("mlx5_0") == 2
    bench.count(3)
    bench.clock.now += 15
    await bench.reader.refreshed()
    assert bench.value("mlx5_0") == 3


async def test_reads_that_fail_are_counted_and_cost_these_counters_only(bench: Bench) -> None:
    await bench.reader.refreshed()
    bench.tree.failure = OSError(5, "no")
    bench.clock.now += 15
    await bench.reader.refreshed()
    assert bench.reader.failures.values == {("mlx5_0",): 1, ("mlx5_1",): 1}
    assert bench.value() is None
    bench.tree.failure = None
    bench.clock.now += 15
    await bench.reader.refreshed()
    assert bench.value() == 1


async def test_without_descriptors_the_values_stay_and_the_log_says_so(
    bench: Bench, lines: Log
) -> None:
    await bench.reader.refreshed()
    bench.tree.failure = OSError(24, "Too many open files")
    for _ in range(2):
        bench.clock.now += 15
        await bench.reader.refreshed()
    assert bench.value() == 1
    assert len(lines.all) == 1
    assert "Too many open files" in lines.all[0]


async def test_another_hca_under_the_same_name_has_no_values_of_the_first(bench: Bench) -> None:
    await bench.reader.refreshed()
    first, second = bench.hcas[:2]
    assert bench.reader.reading(first)
    assert bench.reader.reading(replace(second, name=first.name)) is None


async def test_values_of_an_hca_that_is_gone_are_forgotten(bench: Bench) -> None:
    await bench.reader.refreshed()
    gone = bench.hcas[0]
    bench.host.unplug(gone.name)
    bench.configure()
    bench.clock.now += 15
    await bench.reader.refreshed()
    assert bench.reader.reading(gone) is None


async def test_model_and_firmware_are_read_once(bench: Bench) -> None:
    for _ in range(2):
        await bench.reader.refreshed()
        bench.clock.now += 15
    reading = bench.reader.reading(bench.hcas[0])
    assert reading is not None
    assert reading.firmware == "28.41.1000"
    assert reading.model.startswith("MT")
    assert len([path for path in bench.tree.paths if path.endswith("mlx5_0/fw_ver")]) == 1


# --- pauses ---------------------------------------------------------------------------------------


class LiveTree(Tree):
    """A tree that says that it is this machine."""

    @property
    def live(self) -> bool:
        return True


class Statistics:
    """Counts the questions. Each netdev has 7 pauses of priority 3."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, netdev: str) -> dict[str, int]:
        self.asked.append(netdev)
        return {"rx_prio3_pause": 7}


def live(bench: Bench, statistics: Statistics, tree: Tree | None = None) -> CounterReader:
    host = Host(tree or LiveTree(bench.host.root), RecordedNetlink())
    return CounterReader(
        host, lambda: bench.state, wait=60.0, clock=bench.clock, statistics=statistics
    )


async def test_pauses_are_read_on_request_and_every_30_seconds(bench: Bench) -> None:
    statistics = Statistics()
    reader = live(bench, statistics)
    await reader.refreshed()
    assert statistics.asked == []
    bench.configure(pauses=True)
    for _ in range(4):
        bench.clock.now += 15
        await reader.refreshed()
    assert sorted(statistics.asked) == 2 * ["ens1f0np0"] + 2 * ["ens1f1np1"]
    reading = reader.reading(bench.hcas[0])
    assert reading is not None
    assert reading.pauses is not None
    assert reading.pauses.ports[1].frames == {("3", "receive"): 7}
    bench.configure(pauses=False)
    bench.clock.now += 15
    await reader.refreshed()
    assert (found := reader.reading(bench.hcas[0])) is not None
    assert found.pauses is None


async def test_a_host_that_is_not_this_machine_has_no_pauses(bench: Bench) -> None:
    statistics = Statistics()
    bench.configure(pauses=True)
    await live(bench, statistics, bench.tree).refreshed()
    assert statistics.asked == []
