"""Metrics of the daemon itself: its build, its config, its scans."""

from collections.abc import Iterator

from prometheus_client.core import Metric

from rdma_dp import __version__
from rdma_dp.metrics import Metrics
from rdma_dp.monitoring.families import counted, counter, gauge


def daemon_families(metrics: Metrics) -> Iterator[Metric]:
    """Build, config, scans, links and changes."""
    yield gauge("build_info", "1, with the version as a label.", ["version"], [((__version__,), 1)])
    yield from _config(metrics)
    yield from _scans(metrics)
    yield counter(
        "links_set_up",
        "Netdevs that were administratively down and were set up.",
        [],
        counted(metrics.links_set_up, [()]),
    )
    yield counter(
        "hca_changes",
        "HCAs that appeared or disappeared while the daemon ran.",
        ["change"],
        counted(metrics.hca_changes, [("added",), ("removed",)]),
    )


def _config(metrics: Metrics) -> Iterator[Metric]:
    facts = metrics.config
    if facts.valid is not None:
        yield gauge(
            "config_valid",
            "1 if the config file is valid. 0 if it is not: the last good config stays in force.",
            [],
            [((), float(facts.valid))],
        )
    if facts.loaded_at is not None:
        yield gauge(
            "config_loaded_timestamp_seconds",
            "When the config in force was read, in seconds since 1970.",
            [],
            [((), facts.loaded_at)],
        )


def _scans(metrics: Metrics) -> Iterator[Metric]:
    facts = metrics.scan
    yield counter(
        "scans",
        "Complete readings of the node's RDMA hardware.",
        ["result"],
        counted(metrics.scans, [("ok",), ("error",)]),
    )
    if facts.seconds is not None:
        yield gauge(
            "scan_duration_seconds", "Duration of the last scan.", [], [((), facts.seconds)]
        )
    if facts.succeeded_at is not None:
        yield gauge(
            "last_scan_timestamp_seconds",
            "When the last scan succeeded, in seconds since 1970.",
            [],
            [((), facts.succeeded_at)],
        )
    yield gauge(
        "scan_hanging",
        "1 while a read in /sys takes more than 10 s; the last lists stay in force.",
        [],
        [((), float(facts.hanging))],
    )
