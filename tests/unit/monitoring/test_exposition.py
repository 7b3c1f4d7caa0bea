"""The page of metrics for any inventory: parsers read it, and no series is doubled."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from rdma_dp.config import EMPTY_CONFIG, Resource, Via
from rdma_dp.host.files import Host
from rdma_dp.inventory.hardware import Hca, Inventory
from rdma_dp.metrics import BOUNDS, Durations, Metrics, Tally
from rdma_dp.monitoring.counter_reader import CounterReader
from rdma_dp.monitoring.exposition import Exposition
from rdma_dp.monitoring.observed import Observed
from rdma_dp.monitoring.pod_reader import PodReader
from rdma_dp.sharing.pool import make_pool
from rdma_dp.sharing.selection import select
from rdma_dp.sharing.state import NodeState
from tests.makers import SYSTEM, hca, hca_lists, resource

NOWHERE = "/nowhere"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def page(
    hcas: tuple[Hca, ...],
    accept: str = "",
    metrics: Metrics | None = None,
    of: Resource | None = None,
) -> str:
    inventory = Inventory(hcas, (), SYSTEM)
    pool = make_pool(select(inventory, of or resource()), SYSTEM)
    state = NodeState(EMPTY_CONFIG, inventory, 0.0, 1, {pool.resource.full_name: pool})
    plugin = Mock(resource="rdma/hca", registered=True, **{"streams.value.open": 1})
    observed = Observed(metrics or Metrics(), lambda: state, lambda: (plugin,))
    reader = CounterReader(Host(NOWHERE), lambda: state)
    pods = PodReader(Path(NOWHERE, "kubelet.sock"), Host(NOWHERE), lambda: state)
    return Exposition(observed, reader, pods).page(accept).body.decode()


def families(text: str) -> list[Metric]:
    return [*text_string_to_metric_families(text)]


@settings(suppress_health_check=list(HealthCheck), deadline=None)
@given(hca_lists())
def test_any_hcas_make_a_page_that_both_parsers_read(hcas: tuple[Hca, ...]) -> None:
    found = families(page(hcas))
    samples = [
        (sample.name, tuple(sorted(sample.labels.items())))
        for family in found
        for sample in family.samples
    ]
    assert [each for each, times in Counter(samples).items() if times > 1] == []
    assert all(family.documentation for family in found)
    assert list(openmetrics.text_string_to_metric_families(page(hcas, OPENMETRICS)))  # type: ignore[no-untyped-call]
    shown = [labels for name, labels in samples if name == "rdma_dp_hca_info"]
    assert len(shown) == len(hcas)


def test_only_slots_of_device_plugins_are_in_kubelets_list() -> None:
    over = replace(resource(), via=Via.DRA)
    for of, shown in ((resource(), True), (over, False)):
        text = page((hca(),), of=of)
        assert ("rdma_dp_slots{" in text) == shown
        assert 'rdma_dp_resource_hcas{resource="rdma/hca"} 1.0' in text


def test_names_with_quotes_and_newlines_are_escaped() -> None:
    odd = 'a"b\\c\nd'
    (family,) = (
        each for each in families(page((hca(0, name=odd),))) if each.name == "rdma_dp_hca_info"
    )
    assert family.samples[0].labels["device"] == odd


@given(st.lists(st.floats(0, 100), max_size=30))
def test_a_histogram_counts_each_duration_once(seconds: list[float]) -> None:
    durations = Durations()
    for each in seconds:
        durations.add("x", seconds=each)
    if not seconds:
        assert durations.values == {}
        return
    found = durations.values["x",]
    assert sum(found.counts) == len(seconds)
    assert found.counts[0] == sum(each <= BOUNDS[0] for each in seconds)
    assert found.counts[-1] == sum(each > BOUNDS[-1] for each in seconds)


def test_a_tally_grows_by_its_labels() -> None:
    tally = Tally()
    tally.add("a")
    tally.add("a", by=2)
    tally.add("b")
    before = tally.values
    tally.add("b")
    assert before == {("a",): 3, ("b",): 1}
