"""The counters of ports on the page of metrics."""

from collections import Counter
from typing import Any

from prometheus_client.core import Metric

from rdma_dp.config import parse
from rdma_dp.discovery import scan
from rdma_dp.host.files import Host
from rdma_dp.host.netlink.backends import RecordedNetlink
from rdma_dp.inventory.counter_meanings import MEANINGS
from rdma_dp.monitoring.counter_reader import CounterReader
from rdma_dp.monitoring.port_metrics import port_families
from rdma_dp.sharing.state import NodeState, next_state
from simulator.host import SimulatedHost
from tests.conftest import Fresh
from tests.live_tree import LiveTree

# The first way of each driver to show each meaning, all on one port.
EACH = [names for each in MEANINGS for names in each.sources[:1]]


def state_of(host: SimulatedHost, level: str) -> NodeState:
    entry = "{resourceName: a, rdmaHcaMax: 2, selectors: {vendors: [15b3]}}"
    config = parse(f"metrics: {{counters: {level}}}\nconfigList: [{entry}]").config
    return next_state(config, scan(Host(host.root)), 0.0)


async def families(host: SimulatedHost, level: str) -> dict[str, Metric]:
    state = state_of(host, level)
    reader = CounterReader(Host(host.root), lambda: state, wait=60.0)
    await reader.refreshed()
    found = list(port_families(state, reader))
    names = Counter(family.name for family in found)
    assert max(names.values(), default=1) == 1
    return {family.name: family for family in found}


def counters(*names: str, value: Any = 7) -> dict[str, Any]:
    return {f"hw_counters/{name}": value for name in names}


async def test_every_meaning_has_a_metric_with_a_help(fresh: Fresh) -> None:
    host = fresh("seed")
    host.set_counters("mlx5_0", 1, counters(*(name for names in EACH for name in names)))
    found = await families(host, "trouble")
    for meaning in MEANINGS:
        family = found[f"rdma_dp_port_{meaning.name}"]
        assert (family.type, family.documentation) == ("counter", meaning.text)
        (sample,) = family.samples
        assert sample.labels == {"device": "mlx5_0", "port": "1"}
        parts = len(meaning.sources[0]) * (4 if "data_bytes" in meaning.name else 1)
        assert sample.value == 7 * parts


async def test_nothing_is_shown_for_counters_that_are_absent(fresh: Fresh) -> None:
    found = await families(fresh("seed"), "all")
    named = [name for name in found if name.startswith("rdma_dp_port_")]
    assert {name: found[name].samples for name in named} == {
        "rdma_dp_port_counter_saturated": [],
        "rdma_dp_port_hw_counter": [],
    }


async def test_objects_are_those_of_shared_hcas(fresh: Fresh) -> None:
    host = fresh("seed")
    state = state_of(host, "trouble")
    reader = CounterReader(
        Host(LiveTree(host.root), RecordedNetlink()),
        lambda: state,
        wait=60.0,
        objects=lambda: {"mlx5_0": {"qp": 5, "mr": 2}, "other0": {"qp": 9}},
    )
    await reader.refreshed()
    (shown,) = (each for each in port_families(state, reader) if each.name == "rdma_dp_hca_objects")
    assert [(sample.labels, sample.value) for sample in shown.samples] == [
        ({"device": "mlx5_0", "type": "qp"}, 5),
        ({"device": "mlx5_0", "type": "mr"}, 2),
    ]


async def test_nothing_at_all_is_shown_with_counters_none(fresh: Fresh) -> None:
    assert await families(fresh("seed"), "none") == {}


async def test_every_shared_hca_has_its_number_of_failed_reads(fresh: Fresh) -> None:
    host = fresh("seed")
    host.set_counters("mlx5_1", 1, counters("out_of_sequence", "packet_seq_err", value="odd"))
    failed = (await families(host, "trouble"))["rdma_dp_hca_read_errors"]
    assert {s.labels["device"]: s.value for s in failed.samples} == {"mlx5_0": 0, "mlx5_1": 2}


async def test_counters_without_a_meaning_are_shown_with_all(fresh: Fresh) -> None:
    host = fresh("seed")
    host.set_counters("mlx5_0", 1, counters("rx_read_requests", "lifespan", "out_of_sequence"))
    shown = (await families(host, "all"))["rdma_dp_port_hw_counter"]
    assert [sample.labels["counter"] for sample in shown.samples] == ["rx_read_requests"]
    assert "rdma_dp_port_hw_counter" not in await families(host, "trouble")


async def test_pauses_are_shown_by_priority_and_direction(fresh: Fresh) -> None:
    host = fresh("seed")
    state = state_of(host, "trouble, pauses: true")
    found = {"rx_prio3_pause": 7, "rx_prio3_pause_duration": 1_500_000}
    live = Host(LiveTree(host.root), RecordedNetlink())
    reader = CounterReader(live, lambda: state, wait=60.0, statistics=lambda _: found)
    await reader.refreshed()
    shown = {family.name: family for family in port_families(state, reader)}
    for name, value in (("frames", 7), ("seconds", 1.5)):
        samples = shown[f"rdma_dp_port_pause_{name}"].samples
        assert [sample.labels["device"] for sample in samples] == ["mlx5_0", "mlx5_1"]
        assert {sample.value for sample in samples} == {value}
        assert {sample.labels["priority"] for sample in samples} == {"3"}
        assert {sample.labels["direction"] for sample in samples} == {"receive"}
