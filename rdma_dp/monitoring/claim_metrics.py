"""Metrics of DRA's claims: those that are prepared, and kubelet's requests."""

from collections.abc import Iterable, Iterator

from prometheus_client.core import Metric

from rdma_dp.metrics import Metrics
from rdma_dp.monitoring.families import counted, counter, gauge, histogram

_PREPARED = ("ok", "refused", "api-server", "error")
_UNPREPARED = ("ok", "error")


def claim_families(metrics: Metrics) -> Iterator[Metric]:
    """Claims in use, prepares and unprepares of each driver. Nothing before a driver has run."""
    levels = metrics.claims.values
    if not levels:
        return
    yield gauge(
        "claims",
        "Claims that are prepared on this node.",
        ["driver"],
        (((driver,), count) for driver, count in levels.items()),
    )
    yield from _forgotten(metrics, levels)
    yield counter(
        "claim_prepares",
        "kubelet's requests to prepare a claim. refused: the claim cannot be prepared here."
        " api-server: the claim could not be read.",
        ["driver", "result"],
        counted(
            metrics.claim_prepares, [(driver, each) for driver in levels for each in _PREPARED]
        ),
    )
    yield counter(
        "claim_unprepares",
        "kubelet's requests to unprepare a claim.",
        ["driver", "result"],
        counted(
            metrics.claim_unprepares, [(driver, each) for driver in levels for each in _UNPREPARED]
        ),
    )
    yield histogram(
        "claim_prepare_duration_seconds",
        "Duration of prepares, with the request to the API server.",
        ["driver"],
        metrics.claim_prepare_seconds.values,
    )


def _forgotten(metrics: Metrics, drivers: Iterable[str]) -> Iterator[Metric]:
    yield counter(
        "claims_released",
        "Claims that kubelet had forgotten, and that rdma-dp released without it.",
        ["driver"],
        counted(metrics.claims_released, [(driver,) for driver in drivers]),
    )
    stuck = metrics.claims_stuck.values
    yield gauge(
        "claims_stuck",
        "Claims that kubelet has forgotten, and that rdma-dp cannot release.",
        ["driver"],
        (((driver,), stuck.get(driver, 0)) for driver in drivers),
    )
