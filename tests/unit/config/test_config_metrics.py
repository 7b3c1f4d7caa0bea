"""What a config says about the metrics."""

from typing import Any

import pytest

from rdma_dp.config import CountersLevel, MetricsSettings, PodMetrics
from tests.unit.config.texts import ENTRY, accepted, refused, text, warned


def settings(**metrics: Any) -> MetricsSettings:
    return accepted(text(ENTRY, metrics=metrics)).config.metrics


def test_without_a_word_the_counters_that_show_trouble_are_read() -> None:
    found = accepted(text(ENTRY)).config.metrics
    assert found == settings() == MetricsSettings()
    assert (found.counters, found.min_interval) == (CountersLevel.TROUBLE, 15)
    assert found.pods is PodMetrics.NONE


def test_each_setting_is_taken() -> None:
    found = settings(counters="all", minInterval=60, pods="queuePairs")
    assert (found.counters, found.min_interval) == (CountersLevel.ALL, 60)
    assert found.pods is PodMetrics.QUEUE_PAIRS


def test_yaml_reads_none_as_the_word() -> None:
    config = f"metrics: {{counters: none, pods: none}}\nconfigList: {[ENTRY]}"
    assert accepted(config).config.metrics.counters is CountersLevel.NONE


@pytest.mark.parametrize(
    ("key", "written", "meant"),
    [
        ("counters", "ALL", "all"),
        ("counters", " Trouble", "trouble"),
        ("pods", "queuepairs", "queuePairs"),
        ("pods", "QUEUEPAIRS", "queuePairs"),
        ("pods", "Allocations", "allocations"),
    ],
)
def test_another_spelling_is_a_warning(key: str, written: str, meant: Any) -> None:
    config = text(ENTRY, metrics={key: written})
    assert warned(config)
    assert accepted(config).config.metrics == settings(**{key: meant})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("counters", "some"),
        ("counters", True),
        ("counters", ["all"]),
        ("pods", "pods"),
        ("pods", 1),
        ("minInterval", 0),
        ("minInterval", -1),
        ("minInterval", 86401),
        ("minInterval", 1.5),
        ("minInterval", "30"),
    ],
)
def test_a_wrong_value_is_refused_at_its_place(key: str, value: Any) -> None:
    assert f"metrics.{key}" in refused(text(ENTRY, metrics={key: value}))


@pytest.mark.parametrize("key", ["counters", "minInterval", "pods"])
def test_null_is_the_default(key: str) -> None:
    assert settings(**{key: None}) == MetricsSettings()


@pytest.mark.parametrize("value", ["all", 7, ["all"], True])
def test_metrics_are_an_object(value: Any) -> None:
    assert "metrics" in refused(text(ENTRY, metrics=value))


def test_all_problems_come_at_once() -> None:
    found = refused(text(ENTRY, metrics={"counters": "x", "minInterval": 0, "pods": "y"}))
    assert set(found) == {"metrics.counters", "metrics.minInterval", "metrics.pods"}


def test_an_unknown_key_is_a_warning_with_the_nearest_one() -> None:
    (warning,) = warned(text(ENTRY, metrics={"minIntervall": 30}))
    assert "minInterval" in str(warning)
