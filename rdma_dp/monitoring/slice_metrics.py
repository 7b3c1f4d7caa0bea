"""Metrics of DRA's ResourceSlices, and of requests to the API server."""

from collections.abc import Iterator

from prometheus_client.core import Metric

from rdma_dp.api_server.api_errors import KINDS
from rdma_dp.metrics import Metrics
from rdma_dp.monitoring.families import counted, counter, gauge

_WRITES = [(verb, result) for verb in ("create", "update", "delete") for result in ("ok", "error")]


def slice_families(metrics: Metrics, driver: str) -> Iterator[Metric]:
    """What the API server has of this driver's ResourceSlices, writes, and failed requests."""
    facts = metrics.slices_of(driver)
    if facts.published is not None:
        yield gauge("dra_slices", "ResourceSlices on the API server.", [], [((), facts.published)])
        yield gauge("dra_devices", "Devices in these ResourceSlices.", [], [((), facts.devices)])
    yield gauge(
        "dra_slices_current",
        "1 if the ResourceSlices are what the node offers. 0 if they cannot be written or read.",
        [],
        [((), float(facts.current))],
    )
    yield gauge(
        "dra_gate_missing",
        "1 for each feature gate that the API server lacks, so that devices are left out.",
        ["gate"],
        [((gate,), 1) for gate in facts.lacking_gates],
    )
    yield counter(
        "dra_slice_writes",
        "Writes of ResourceSlices.",
        ["verb", "result"],
        counted(metrics.slice_writes, _WRITES),
    )
    yield counter(
        "api_errors",
        "Requests to the API server that failed. Each try counts.",
        ["kind"],
        counted(metrics.api_errors, [(kind,) for kind in KINDS]),
    )
